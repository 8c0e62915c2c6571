//! The protocol of MySQL and MariaDB: commands, and answers whose end depends on the command.

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
    /// The client's capabilities, from its first message.
    capabilities: Option<u32>,
    is_logged_in: bool,
    /// The texts of the prepared statements, by their server-side number.
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
    /// The statement that a client message runs, and the kind of its answer.
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

/// Four bytes, little-endian.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn login_data_is_not_read_as_commands() {
        let connection = MySql::default();
        let hear = |message: &[u8]| connection.0.lock().unwrap().hear(message);
        let (_, login) = hear(b"\x08\xa2\x3f\x01");
        let mut login = login.unwrap();
        assert_eq!(login, Answer::Login);
        // Encrypted a password may begin with any byte.
        for proof in [b"\x02", b"\x03select 1".as_slice()] {
            assert!(!connection.ends(&mut login, b"\x05\0\0\x02\x01key-"));
            assert_eq!(hear(proof), (None, None));
        }
        assert!(connection.ends(&mut login, b"\x07\0\0\x06\0\0\0\x02\0\0\0"));
        let select = (Some("select 1".to_owned()), Some(Answer::Result));
        assert_eq!(hear(b"\x03select 1"), select);
    }
}
