//! A request or an answer of HTTP/1.1, as bytes.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// A message with the length of its body in its head.
#[derive(Debug)]
pub struct Message {
    pub bytes: Vec<u8>,
    head: usize,
}

impl Message {
    /// Reads one. `None` is a connection that is closed between two messages.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        let head = loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break end + 4;
            }
            if stream.read_buf(&mut bytes).await? == 0 {
                let is_between = bytes.is_empty();
                let broken = Err(io::ErrorKind::UnexpectedEof.into());
                return if is_between { Ok(None) } else { broken };
            }
        };
        let mut message = Self { bytes, head };
        let length = message.header("content-length").unwrap_or("0");
        let end = head + length.parse::<usize>().unwrap();
        while message.bytes.len() < end {
            if stream.read_buf(&mut message.bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(Some(message))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let head = str::from_utf8(&self.bytes[..self.head]).unwrap();
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        let line = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
        line.map(|(_, value)| value.trim())
    }

    pub fn body(&self) -> &[u8] {
        &self.bytes[self.head..]
    }
}
