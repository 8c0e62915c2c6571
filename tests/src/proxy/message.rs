//! The boundaries of messages in Postgres' protocol, and the statements in them.

use std::{collections::HashMap, io};

use tokio::io::{AsyncRead, AsyncReadExt};

/// One message as it stood on the wire.
///
/// See <https://www.postgresql.org/docs/current/protocol-message-formats.html>.
#[derive(Debug)]
pub(super) struct Message {
    /// `None` for the first message of a client, which has no tag.
    tag: Option<u8>,
    pub(super) bytes: Vec<u8>,
}

impl Message {
    /// Reads the message that a connection begins with.
    pub(super) async fn read_first(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let bytes = read_rest(stream, Vec::new()).await?;
        Ok(Self { tag: None, bytes })
    }

    /// Reads any later message.
    pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let tag = stream.read_u8().await?;
        let bytes = read_rest(stream, vec![tag]).await?;
        Ok(Self {
            tag: Some(tag),
            bytes,
        })
    }

    /// Whether the server answers what came before, `ReadyForQuery` being the end of its answer.
    pub(super) fn asks_for_answer(&self) -> bool {
        matches!(self.tag, None | Some(b'Q' | b'S'))
    }

    /// Whether the server sends it as the end of an answer (`ReadyForQuery`).
    pub(super) fn ends_answer(&self) -> bool {
        self.tag == Some(b'Z')
    }

    fn strings(&self) -> impl Iterator<Item = String> {
        let body = self.bytes.get(5..).unwrap_or_default();
        body.split(|byte| *byte == 0)
            .map(|text| String::from_utf8_lossy(text).into_owned())
    }
}

/// The length counts itself and what follows it.
async fn read_rest(
    stream: &mut (impl AsyncRead + Unpin),
    mut bytes: Vec<u8>,
) -> io::Result<Vec<u8>> {
    let length = stream.read_u32().await?;
    let start = bytes.len();
    bytes.extend(length.to_be_bytes());
    bytes.resize(start + length.max(4) as usize, 0);
    stream.read_exact(&mut bytes[start + 4..]).await?;
    Ok(bytes)
}

/// The prepared statements of one connection.
#[derive(Debug, Default)]
pub(super) struct Prepared(HashMap<String, String>);

impl Prepared {
    /// The text of the statement that this message of a client runs.
    pub(super) fn statement(&mut self, message: &Message) -> Option<String> {
        let mut strings = message.strings();
        match message.tag {
            Some(b'Q') => strings.next(),
            Some(b'B') => self.0.get(&strings.nth(1)?).cloned(),
            Some(b'P') => {
                self.0.insert(strings.next()?, strings.next()?);
                None
            }
            _ => None,
        }
    }
}
