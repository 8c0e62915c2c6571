//! A client's connection to a server, for one request after the other.

use std::io;
use std::net::SocketAddr;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, Request, header, response};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Dropped, it is closed, whether a response is still to come or not.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Body>,
    _socket: JoinSet<hyper::Result<()>>,
}

impl Connection {
    pub(crate) async fn to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let made = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = made.map_err(io::Error::other)?;
        let mut socket = JoinSet::new();
        socket.spawn(connection);
        Ok(Self {
            sender,
            _socket: socket,
        })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn send(
        &mut self,
        mut request: Request<Body>,
    ) -> io::Result<(response::Parts, Bytes)> {
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, host);
        let answer = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            Ok((head, body.collect().await?.to_bytes()))
        };
        answer
            .await
            .map_err(|error: hyper::Error| io::Error::other(error))
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;

    use axum::Router;
    use axum::routing::get;
    use idem_tests::http;
    use tokio::sync::Notify;

    use super::*;

    /// The server drops the handler of a connection that is closed.
    #[tokio::test]
    async fn a_dropped_connection_is_closed_while_its_request_runs() {
        struct OnDrop(Arc<Notify>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.notify_one();
            }
        }
        let [runs, dropped] = [(); 2].map(|()| Arc::new(Notify::new()));
        let (running, notify) = (Arc::clone(&runs), Arc::clone(&dropped));
        let handler = async move || {
            let _on_drop = OnDrop(notify);
            running.notify_one();
            pending::<()>().await;
        };
        let address = http::serve(Router::new().route("/", get(handler))).await;
        let mut connection = Connection::to(address).await.unwrap();
        let request = http::get("/").to_request();
        tokio::select! {
            answer = connection.send(request) => panic!("{answer:?}"),
            () = runs.notified() => drop(connection),
        }
        dropped.notified().await;
    }
}
