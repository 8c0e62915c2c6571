//! NATS' protocol: lines, some of which announce a number of bytes that follow.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncReadExt};

use super::{
    broker,
    protocol::{Protocol, Reader, Said},
};

/// See <https://docs.nats.io/reference/reference-protocols/nats-protocol>.
///
/// A publish counts as a statement, with subjects and headers; its answer is the server's next message.
#[derive(Debug, Default)]
pub(super) struct Nats;

impl Protocol for Nats {
    type Answer = ();

    fn server(url: &str) -> (String, u16) {
        broker::server(url)
    }

    fn through(url: &str, port: u16) -> String {
        broker::through(url, port)
    }

    async fn read_client(&self, client: &mut Reader) -> io::Result<Said<()>> {
        let mut bytes = Vec::new();
        if client.read_until(b'\n', &mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(length) = published(&String::from_utf8_lossy(&bytes)) else {
            return Ok(Said {
                bytes,
                statement: None,
                answer: None,
            });
        };
        let start = bytes.len();
        bytes.resize(start + length + END_OF_LINE, 0);
        client.read_exact(&mut bytes[start..]).await?;
        let mut statement = String::from_utf8_lossy(&bytes).into_owned();
        // To answer a message with nothing is to acknowledge it.
        if length == 0 && statement.starts_with("PUB $JS.ACK.") {
            statement.push_str("+ACK");
        }
        Ok(Said {
            statement: Some(statement),
            answer: Some(()),
            bytes,
        })
    }

    async fn read_server(server: &mut Reader) -> io::Result<Vec<u8>> {
        broker::read_some(server).await
    }

    fn ends(&self, _answer: &mut (), _message: &[u8]) -> bool {
        true
    }
}

/// How many bytes of a published message follow this line.
fn published(line: &str) -> Option<usize> {
    let mut words = line.split_whitespace();
    matches!(words.next(), Some("PUB" | "HPUB")).then(|| words.next_back()?.parse().ok())?
}

const END_OF_LINE: usize = 2;
