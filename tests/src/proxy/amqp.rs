//! RabbitMQ's protocol, AMQP 0-9-1: frames with a type, a channel and a length.

use std::{
    io,
    sync::atomic::{AtomicBool, Ordering},
};

use tokio::io::AsyncReadExt;

use super::{
    broker,
    protocol::{Protocol, Reader, Said},
};

/// See <https://www.rabbitmq.com/resources/specs/amqp0-9-1.pdf>; `true` once the client has spoken.
///
/// A method counts as a statement: its name and arguments. Its answer is the server's next message.
#[derive(Debug, Default)]
pub(super) struct Amqp(AtomicBool);

impl Protocol for Amqp {
    type Answer = ();

    fn server(url: &str) -> (String, u16) {
        broker::server(url)
    }

    fn through(url: &str, port: u16) -> String {
        broker::through(url, port)
    }

    async fn read_client(&self, client: &mut Reader) -> io::Result<Said<()>> {
        let has_begun = self.0.swap(true, Ordering::Relaxed);
        // The first bytes name the protocol.
        let mut bytes = vec![0; if has_begun { HEADER } else { 8 }];
        client.read_exact(&mut bytes).await?;
        if has_begun {
            let length = u32::from_be_bytes([bytes[3], bytes[4], bytes[5], bytes[6]]);
            bytes.resize(HEADER + length as usize + END.len(), 0);
            client.read_exact(&mut bytes[HEADER..]).await?;
        }
        let statement = if has_begun { method(&bytes) } else { None };
        Ok(Said {
            answer: statement.is_some().then_some(()),
            statement,
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

/// The method of a frame, unless it is a part of a message or a heartbeat.
fn method(frame: &[u8]) -> Option<String> {
    let body = frame.get(HEADER..frame.len() - END.len())?;
    let (&METHOD, &[_, class, _, method, ref arguments @ ..]) = (frame.first()?, body) else {
        return None;
    };
    let name = match (class, method) {
        (60, 20) => "basic.consume".to_owned(),
        (60, 40) => "basic.publish".to_owned(),
        (60, 80) => "basic.ack".to_owned(),
        (60, 90) => "basic.reject".to_owned(),
        (60, 120) => "basic.nack".to_owned(),
        _ => format!("{class}.{method}"),
    };
    Some(format!("{name} {}", String::from_utf8_lossy(arguments)))
}

/// The type, the channel and the length.
const HEADER: usize = 7;

/// The byte that ends each frame.
const END: [u8; 1] = [0xce];

const METHOD: u8 = 1;
