//! The packets that MySQL splits its messages into.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// Reads the raw packets of one message: after a full one another follows.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut message = Vec::new();
    loop {
        let start = message.len();
        let mut header = [0; HEADER];
        stream.read_exact(&mut header).await?;
        message.extend(header);
        let [low, middle, high, _sequence] = header;
        let length = u32::from_le_bytes([low, middle, high, 0]) as usize;
        message.resize(start + HEADER + length, 0);
        stream.read_exact(&mut message[start + HEADER..]).await?;
        if length < FULL {
            return Ok(message);
        }
    }
}

/// The payload of a message's packets.
pub(super) fn payload(message: &[u8]) -> Vec<u8> {
    let packets = message.chunks(HEADER + FULL);
    let payloads = packets.map(|packet| packet.get(HEADER..).unwrap_or_default());
    payloads.collect::<Vec<_>>().concat()
}

/// The length of a packet and its number.
pub(super) const HEADER: usize = 4;

/// The largest payload of a packet.
pub(super) const FULL: usize = 0xff_ff_ff;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_ends_with_a_packet_that_is_not_full() {
        for length in [0, 1, FULL - 1, FULL, FULL + 1, 2 * FULL] {
            let sent = vec![7; length];
            let wire = [message(&sent), message(b"next")].concat();
            let mut stream = &wire[..];
            let read_message = read(&mut stream).await.unwrap();
            assert!(payload(&read_message) == sent, "{length}");
            assert_eq!(payload(&read(&mut stream).await.unwrap()), b"next");
            read(&mut stream).await.unwrap_err();
        }
    }

    fn message(sent: &[u8]) -> Vec<u8> {
        let full = sent.len() / FULL;
        let mut wire = Vec::new();
        for number in 0..=full {
            let part = &sent[number * FULL..sent.len().min((number + 1) * FULL)];
            wire.extend(&u32::try_from(part.len()).unwrap().to_le_bytes()[..3]);
            wire.push(u8::try_from(number).unwrap());
            wire.extend(part);
        }
        wire
    }
}
