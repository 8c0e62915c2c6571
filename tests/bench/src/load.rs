//! The load: workers that send requests one after the other and measure an endpoint.

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

use crate::Plan;

/// Two endpoints that are compared.
pub(crate) struct Sides {
    pub(crate) idem: Endpoint,
    pub(crate) bare: Endpoint,
}

/// The address, the requests to send, and the expected response.
#[derive(Clone)]
pub(crate) struct Endpoint {
    address: SocketAddr,
    /// Makes the request with this number.
    request: Arc<dyn Fn(usize) -> Attempt + Send + Sync>,
    replays: bool,
}

/// One turn of each side, one right after the other.
pub(crate) struct Round {
    pub(crate) idem: Turn,
    pub(crate) bare: Turn,
}

/// The measurements of one endpoint in one turn.
#[derive(Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Endpoint {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Two servers of the same handler.
pub(crate) fn first_time_writes(one: SocketAddr, other: SocketAddr) -> Sides {
    let write = |address| Endpoint::new(address, |_| payment("/payments").key(&new_key()));
    Sides {
        idem: write(one),
        bare: write(other),
    }
}

pub(crate) fn new_key() -> String {
    Uuid::new_v4().to_string()
}

pub(crate) fn payment(path: &str) -> Attempt {
    let reference = "so long that a stored answer has a usual size, ".repeat(3);
    http::post(path).json(&json!({ "amount": 1250, "reference": reference }))
}

/// Alternates between the sides after a warm-up turn each; the first side alternates too.
pub(crate) async fn rounds(sides: &Sides, at_once: usize, plan: &Plan) -> Vec<Round> {
    turn(&sides.idem, at_once, plan.turn).await;
    turn(&sides.bare, at_once, plan.turn).await;
    let mut rounds = Vec::new();
    for round in 0..plan.rounds {
        let idem_is_first = round % 2 == 0;
        let (first, second) = match idem_is_first {
            true => (&sides.idem, &sides.bare),
            false => (&sides.bare, &sides.idem),
        };
        let first = turn(first, at_once, plan.turn).await;
        let second = turn(second, at_once, plan.turn).await;
        let (idem, bare) = match idem_is_first {
            true => (first, second),
            false => (second, first),
        };
        rounds.push(Round { idem, bare });
    }
    rounds
}

/// Keeps `at_once` requests running for a while.
pub(crate) async fn turn(endpoint: &Endpoint, at_once: usize, length: Duration) -> Turn {
    let mut connections = Vec::new();
    for _ in 0..at_once {
        connections.push(connect(endpoint.address).await);
    }
    let start = Instant::now();
    let mut workers = JoinSet::new();
    for (first, connection) in connections.into_iter().enumerate() {
        let numbers = (first..).step_by(at_once);
        workers.spawn(work(connection, endpoint.clone(), numbers, start + length));
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
    end: Instant,
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
        if Instant::now() >= end {
            break;
        }
    }
    latencies
}

impl Endpoint {
    pub(crate) fn new(
        address: SocketAddr,
        request: impl Fn(usize) -> Attempt + Send + Sync + 'static,
    ) -> Self {
        Self {
            address,
            request: Arc::new(request),
            replays: false,
        }
    }

    /// An endpoint whose responses must be replays.
    pub(crate) fn replaying(
        address: SocketAddr,
        request: impl Fn(usize) -> Attempt + Send + Sync + 'static,
    ) -> Self {
        Self {
            replays: true,
            ..Self::new(address, request)
        }
    }
}

impl Turn {
    /// The measurements of steps, each of which counts as `together` operations.
    pub(crate) fn of(mut latencies: Vec<Duration>, took: Duration, together: usize) -> Self {
        latencies.sort_unstable();
        Self {
            per_second: (latencies.len() * together) as f64 / took.as_secs_f64(),
            p50: latencies[latencies.len() / 2],
            p99: latencies[latencies.len() * 99 / 100],
        }
    }
}
