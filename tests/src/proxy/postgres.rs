//! Postgres' protocol: messages with a tag, answers that end with `ReadyForQuery`.

use std::{collections::HashMap, io, str::FromStr, sync::Mutex};

use sqlx::{
    ConnectOptions,
    postgres::{PgConnectOptions, PgSslMode},
};
use tokio::io::AsyncReadExt;

use super::protocol::{Protocol, Reader, Said};

/// See <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
#[derive(Debug, Default)]
pub(super) struct Postgres(Mutex<Session>);

#[derive(Debug, Default)]
struct Session {
    has_begun: bool,
    /// The texts of the prepared statements, by name.
    prepared: HashMap<String, String>,
}

impl Protocol for Postgres {
    type Answer = ();

    fn server(url: &str) -> (String, u16) {
        let options = PgConnectOptions::from_str(url).unwrap();
        (options.get_host().to_owned(), options.get_port())
    }

    fn through(url: &str, port: u16) -> String {
        let options = PgConnectOptions::from_str(url).unwrap();
        let options = options.host("127.0.0.1").port(port);
        options.ssl_mode(PgSslMode::Disable).to_url_lossy().into()
    }

    async fn read_client(&self, client: &mut Reader) -> io::Result<Said<()>> {
        // A client's first message has no tag.
        let tag = match self.begins() {
            true => None,
            false => Some(client.read_u8().await?),
        };
        let bytes = read_rest(client, Vec::from_iter(tag)).await?;
        Ok(Said {
            statement: self.statement(tag, &bytes),
            answer: matches!(tag, None | Some(b'Q' | b'S')).then_some(()),
            bytes,
        })
    }

    async fn read_server(server: &mut Reader) -> io::Result<Vec<u8>> {
        let tag = server.read_u8().await?;
        read_rest(server, vec![tag]).await
    }

    fn ends(&self, _answer: &mut (), message: &[u8]) -> bool {
        message.first() == Some(&b'Z')
    }
}

impl Postgres {
    fn begins(&self) -> bool {
        let mut session = self.0.lock().unwrap();
        let has_begun = session.has_begun;
        session.has_begun = true;
        !has_begun
    }

    /// The text of the statement that this client message runs.
    fn statement(&self, tag: Option<u8>, message: &[u8]) -> Option<String> {
        let prepared = &mut self.0.lock().unwrap().prepared;
        let body = message.get(5..).unwrap_or_default();
        let mut strings = body
            .split(|byte| *byte == 0)
            .map(|text| String::from_utf8_lossy(text).into_owned());
        match tag {
            Some(b'Q') => strings.next(),
            Some(b'B') => prepared.get(&strings.nth(1)?).cloned(),
            Some(b'P') => {
                prepared.insert(strings.next()?, strings.next()?);
                None
            }
            _ => None,
        }
    }
}

/// Reads the rest of a message; its length includes the length field.
async fn read_rest(stream: &mut Reader, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let start = bytes.len();
    bytes.extend(length.to_be_bytes());
    bytes.resize(start + length.max(4) as usize, 0);
    stream.read_exact(&mut bytes[start + 4..]).await?;
    Ok(bytes)
}
