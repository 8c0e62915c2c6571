//! The load: workers that send requests one after the other, each on its own connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use idem_axum::REPLAYED;
use idem_tests::http::{self, Attempt};
use serde_json::json;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::nodes::Running;
use crate::sides::Side;
use crate::turn::{Length, Turn};

/// The address, the requests to send, and the expected response.
#[derive(Clone)]
pub(crate) struct Endpoint {
    node: Arc<Running>,
    /// Makes the request with this number.
    request: Arc<dyn Fn(usize) -> Attempt + Send + Sync>,
    replays: bool,
}

impl Endpoint {
    pub(crate) fn new(
        node: &Arc<Running>,
        request: impl Fn(usize) -> Attempt + Send + Sync + 'static,
    ) -> Self {
        Self {
            node: Arc::clone(node),
            request: Arc::new(request),
            replays: false,
        }
    }

    /// First-time writes: each request has a key of its own.
    pub(crate) fn writing(node: &Arc<Running>) -> Self {
        Self::new(node, |_| payment("/payments", &new_key()))
    }

    /// Replays of these keys: the responses must be replays.
    pub(crate) fn replaying(
        node: &Arc<Running>,
        key: impl Fn(usize) -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            replays: true,
            ..Self::new(node, move |n| payment("/payments", &key(n)))
        }
    }

    pub(crate) fn side(self, name: impl Into<String>) -> Side {
        let node = Arc::clone(&self.node);
        let side = Side::new(name, move |at_once, length| self.turn(at_once, length));
        side.on(node)
    }

    /// Keeps `at_once` requests running.
    pub(crate) fn turn(
        &self,
        at_once: usize,
        length: Length,
    ) -> impl Future<Output = Turn> + Send + use<> {
        turn(self.clone(), at_once, length)
    }
}

pub(crate) fn new_key() -> String {
    Uuid::new_v4().to_string()
}

pub(crate) fn payment(path: &str, key: &str) -> Attempt {
    let reference = "so long that a stored answer has a usual size, ".repeat(3);
    let payment = json!({ "amount": 1250, "reference": reference });
    http::post(path).json(&payment).key(key)
}

/// Keeps `at_once` requests running.
async fn turn(endpoint: Endpoint, at_once: usize, length: Length) -> Turn {
    let mut connections = Vec::new();
    for _ in 0..at_once {
        connections.push(connect(endpoint.node.address).await);
    }
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for (first, connection) in connections.into_iter().enumerate() {
        let numbers = (first..).step_by(at_once);
        workers.spawn(work(connection, endpoint.clone(), numbers, (start, length)));
    }
    let latencies = workers.join_all().await.concat();
    Turn::of(latencies, start.elapsed(), 1)
}

async fn connect(address: SocketAddr) -> SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends requests one after the other until the end, at least one, and returns their latencies.
async fn work(
    mut connection: SendRequest<Body>,
    endpoint: Endpoint,
    numbers: impl Iterator<Item = usize>,
    (began, length): (Instant, Length),
) -> Vec<Duration> {
    let mut latencies = Vec::new();
    for number in numbers {
        let mut request = (endpoint.request)(number).to_request();
        let host = HeaderValue::from_static("localhost");
        request.headers_mut().insert(header::HOST, host);
        let start = Instant::now();
        connection.ready().await.unwrap();
        let answer = connection.send_request(request).await.unwrap();
        let (head, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        latencies.push(start.elapsed());
        assert_eq!(head.status, StatusCode::CREATED, "{body:?}");
        let replayed = head.headers.contains_key(REPLAYED);
        assert_eq!(replayed, endpoint.replays, "{head:?}");
        if !length.goes_on(began, latencies.len()) {
            break;
        }
    }
    latencies
}
