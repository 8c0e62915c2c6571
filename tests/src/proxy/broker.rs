//! What all brokers have in common.

use std::io;

use axum::http::Uri;
use tokio::io::AsyncBufReadExt;

use super::protocol::Reader;

/// The host and port of a URL that has both.
pub(super) fn server(url: &str) -> (String, u16) {
    let uri: Uri = url.parse().unwrap();
    let port = uri.port_u16().expect("the URL has a port");
    (uri.host().unwrap().to_owned(), port)
}

/// The same URL with a local port.
pub(super) fn through(url: &str, port: u16) -> String {
    let (host, old) = server(url);
    url.replacen(&format!("{host}:{old}"), &format!("127.0.0.1:{port}"), 1)
}

/// Reads whatever has arrived: a server sends at any time, and no action needs the parts.
pub(super) async fn read_some(server: &mut Reader) -> io::Result<Vec<u8>> {
    let bytes = server.fill_buf().await?.to_vec();
    if bytes.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    server.consume(bytes.len());
    Ok(bytes)
}
