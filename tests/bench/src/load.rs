//! The load: workers that send requests one after the other, each on its own connection.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use idem_axum::REPLAYED;
use idem_tests::http::{self, Attempt};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::connection::Connection;
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
        connections.push(Connection::to(endpoint.node.address).await.unwrap());
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

/// Sends requests one after the other until the end, at least one, and returns their latencies.
async fn work(
    mut connection: Connection,
    endpoint: Endpoint,
    numbers: impl Iterator<Item = usize>,
    (began, length): (Instant, Length),
) -> Vec<Duration> {
    let mut latencies = Vec::new();
    for number in numbers {
        let request = (endpoint.request)(number).to_request();
        let start = Instant::now();
        let (head, body) = connection.send(request).await.unwrap();
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
