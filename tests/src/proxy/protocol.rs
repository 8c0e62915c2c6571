//! What the proxy needs to know about a protocol.

use std::{fmt::Debug, io};

use tokio::{io::BufReader, net::tcp::OwnedReadHalf};

/// The incoming bytes of one side of a connection.
pub(super) type Reader = BufReader<OwnedReadHalf>;

/// The protocol of a database or broker; a value holds the state of one connection.
pub(super) trait Protocol: Debug + Default + Send + Sync + 'static {
    /// How much of an answer has arrived.
    type Answer: Debug + Send;

    /// The host and port of a URL.
    fn server(url: &str) -> (String, u16);

    /// The URL of the same server behind a local port, without TLS.
    fn through(url: &str, port: u16) -> String;

    /// Reads the client's next message.
    fn read_client(
        &self,
        client: &mut Reader,
    ) -> impl Future<Output = io::Result<Said<Self::Answer>>> + Send;

    /// Reads the server's next message.
    fn read_server(server: &mut Reader) -> impl Future<Output = io::Result<Vec<u8>>> + Send;

    /// Whether a server message ends this answer; it may be any part of it.
    fn ends(&self, answer: &mut Self::Answer, message: &[u8]) -> bool;
}

/// A client message.
#[derive(Debug)]
pub(super) struct Said<A> {
    /// The raw message.
    pub(super) bytes: Vec<u8>,
    /// The text of the statement that it runs.
    pub(super) statement: Option<String>,
    /// The kind of answer to it, and to earlier messages without an answer of their own.
    pub(super) answer: Option<A>,
}
