//! What the proxy must know of a protocol.

use std::{fmt::Debug, io};

use tokio::{io::BufReader, net::tcp::OwnedReadHalf};

/// What one side of a connection sends.
pub(super) type Reader = BufReader<OwnedReadHalf>;

/// The protocol of a database or broker; its value is what is known of one connection.
pub(super) trait Protocol: Debug + Default + Send + Sync + 'static {
    /// How much of an answer has been heard.
    type Answer: Debug + Send;

    /// The host and port of a URL.
    fn server(url: &str) -> (String, u16);

    /// The URL of the same server behind a port of this machine, where it is spoken to in clear.
    fn through(url: &str, port: u16) -> String;

    /// Reads the client's next message.
    fn read_client(
        &self,
        client: &mut Reader,
    ) -> impl Future<Output = io::Result<Said<Self::Answer>>> + Send;

    /// Reads the server's next message.
    fn read_server(server: &mut Reader) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// Whether a message of the server ends this answer, of which it may be any part.
    fn ends(&self, answer: &mut Self::Answer, message: &[u8]) -> bool;
}

/// A message of a client.
#[derive(Debug)]
pub(super) struct Said<A> {
    /// The message as it stood on the wire.
    pub(super) bytes: Vec<u8>,
    /// The text of the statement that it runs.
    pub(super) statement: Option<String>,
    /// What the server answers to it, and to messages before it that have no answer of their own.
    pub(super) answer: Option<A>,
}
