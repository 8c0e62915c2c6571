//! MySQL's protocol, which MariaDB speaks too: commands, and answers whose end depends on the command.

mod answer;
mod packet;

use std::{collections::HashMap, io, str::FromStr, sync::Mutex};

use sqlx::{
    ConnectOptions,
    mysql::{MySqlConnectOptions, MySqlSslMode},
};

use self::answer::Answer;
use super::protocol::{Protocol, Reader, Said};

/// See <https://dev.mysql.com/doc/dev/mysql-server/latest/PAGE_PROTOCOL.html>
/// and <https://mariadb.com/kb/en/clientserver-protocol/>.
#[derive(Debug, Default)]
pub(super) struct MySql(Mutex<Session>);

#[derive(Debug, Default)]
struct Session {
    /// What the client said it can do, in its first message.
    capabilities: Option<u32>,
    is_logged_in: bool,
    /// The texts of the prepared statements, by the number that the server gave them.
    prepared: HashMap<u32, String>,
}

impl Protocol for MySql {
    type Answer = Answer;

    fn server(url: &str) -> (String, u16) {
        let options = MySqlConnectOptions::from_str(url).unwrap();
        (options.get_host().to_owned(), options.get_port())
    }

    fn through(url: &str, port: u16) -> String {
        let options = MySqlConnectOptions::from_str(url).unwrap();
        let options = options.host("127.0.0.1").port(port);
        let options = options.ssl_mode(MySqlSslMode::Disabled);
        options.to_url_lossy().into()
    }

    async fn read_client(&self, client: &mut Reader) -> io::Result<Said<Answer>> {
        let bytes = packet::read(client).await?;
        let (statement, answer) = self.0.lock().unwrap().hear(&packet::payload(&bytes));
        Ok(Said {
            bytes,
            statement,
            answer,
        })
    }

    async fn read_server(server: &mut Reader) -> io::Result<Vec<u8>> {
        packet::read(server).await
    }

    fn ends(&self, answer: &mut Answer, message: &[u8]) -> bool {
        let mut session = self.0.lock().unwrap();
        if let (Answer::Preparation(text), Some(number)) = (&answer, answer::prepared(message)) {
            session.prepared.insert(number, text.clone());
        }
        let is_login = matches!(answer, Answer::Login);
        let ends = answer.ends(message, session.has_eof_packets());
        session.is_logged_in |= is_login && ends;
        ends
    }
}

impl Session {
    /// The statement that a client's message runs, and the answer that it has.
    fn hear(&mut self, message: &[u8]) -> (Option<String>, Option<Answer>) {
        if self.capabilities.is_none() {
            self.capabilities = Some(number(message, 0));
            return (None, Some(Answer::Login));
        }
        // Proofs of the password belong to the answer to the first message.
        if !self.is_logged_in {
            return (None, None);
        }
        let text = || String::from_utf8_lossy(message.get(1..).unwrap_or_default()).into_owned();
        match message.first() {
            Some(&QUIT | &SEND_LONG_DATA | &CLOSE) | None => (None, None),
            Some(&QUERY) => (Some(text()), Some(Answer::Result)),
            Some(&PREPARE) => (None, Some(Answer::Preparation(text()))),
            Some(&EXECUTE) => {
                let prepared = self.prepared.get(&number(message, 1));
                (prepared.cloned(), Some(Answer::Result))
            }
            Some(_) => (None, Some(Answer::Result)),
        }
    }

    fn has_eof_packets(&self) -> bool {
        self.capabilities.unwrap_or_default() & DEPRECATE_EOF == 0
    }
}

/// Four bytes, the lowest one first.
fn number(message: &[u8], start: usize) -> u32 {
    let bytes = message.get(start..start + 4).unwrap_or_default();
    u32::from_le_bytes(bytes.try_into().unwrap_or_default())
}

const DEPRECATE_EOF: u32 = 1 << 24;

// The commands that are unlike others: they have no answer, or run or prepare a statement.
const QUIT: u8 = 0x01;
const QUERY: u8 = 0x03;
const PREPARE: u8 = 0x16;
const EXECUTE: u8 = 0x17;
const SEND_LONG_DATA: u8 = 0x18;
const CLOSE: u8 = 0x19;
