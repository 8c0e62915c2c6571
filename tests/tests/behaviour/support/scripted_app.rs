//! An application whose handler does what its request says, and counts its runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use idem_axum::{HasIdempotency, Idempotency, Tx, WhileRunning, idempotent};
use idem_tests::a_moment;
use idem_tests::http::{Answer, Attempt};
use sqlx::Pool;
use tokio::task::JoinHandle;

use super::app::{Gate, NewPayment, Paid, Tenant, end, pay_for};
use super::{Db, FAILS, TestDb, idem_on};

/// The application's state: one node, which may share its database with others.
#[derive(Clone, HasIdempotency)]
#[scopes(tenant = Tenant)]
pub struct Node {
    pub idem: Idempotency<Db>,
    pub stage: Arc<Stage>,
}

/// What a test can observe of a node's handlers.
#[derive(Debug, Default)]
pub struct Stage {
    pub gate: Gate,
    runs: AtomicUsize,
}

impl Node {
    /// A node with five connections, and its tables.
    pub async fn start(db: &TestDb) -> Self {
        let node = Self::on(db.pool().await);
        node.idem.migrate().await.unwrap();
        node
    }

    /// A node with a short timeout, which operations may override.
    pub fn on(pool: Pool<Db>) -> Self {
        let engine = idem_on(pool)
            .timeout(Duration::from_millis(200))
            .while_running(WhileRunning::Wait(Duration::from_secs(60)));
        Self::with(engine.build())
    }

    pub fn with(idem: Idempotency<Db>) -> Self {
        let stage = Arc::default();
        Self { idem, stage }
    }

    /// One operation under four policies that share their keys, and a read.
    pub fn app(&self) -> Router {
        Router::new()
            .route("/reject", post(reject))
            .route("/wait", post(wait))
            .route("/wait-plainly", post(wait_plainly))
            .route("/impatient", post(impatient))
            .route("/brief", post(brief))
            .route("/read", get(read))
            .with_state(self.clone())
    }

    /// How often the handler has run on this node.
    pub fn runs(&self) -> usize {
        self.stage.runs.load(Ordering::SeqCst)
    }

    /// Returns when a handler has reached the gate.
    pub async fn at_gate(&self) {
        self.stage.gate.entered.notified().await;
    }

    /// Lets the handler at the gate pass.
    pub fn open_gate(&self) {
        self.stage.gate.open.notify_one();
    }

    /// Returns when this many attempts run or wait on this node.
    pub async fn busy_with(&self, attempts: usize) {
        while self.idem.running() != attempts {
            a_moment().await;
        }
    }
}

/// Sends without waiting for the response.
pub fn send(app: &Router, attempt: Attempt) -> JoinHandle<Answer> {
    let app = app.clone();
    tokio::spawn(async move { attempt.send(&app).await })
}

/// The responses, in the order of the attempts.
pub async fn all(sent: Vec<JoinHandle<Answer>>) -> Vec<Answer> {
    let mut answers = Vec::new();
    for answer in sent {
        answers.push(answer.await.unwrap());
    }
    answers
}

/// Pays for the key, then takes the steps of the header `x-then`, which the fingerprint does
/// not include.
pub async fn act(
    node: &Node,
    tenant: &str,
    headers: &HeaderMap,
    tx: &mut Tx<'_, Db>,
    new: NewPayment,
) -> Paid {
    node.stage.runs.fetch_add(1, Ordering::SeqCst);
    let text = |name| {
        headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    };
    let paid = pay_for(tx, tenant, text("idempotency-key"), new).await;
    for step in text("x-then").split_whitespace() {
        match step {
            "gate" => {
                node.stage.gate.entered.notify_one();
                node.stage.gate.open.notified().await;
            }
            "402" => return Err(StatusCode::PAYMENT_REQUIRED),
            "409" => return Err(StatusCode::CONFLICT),
            "panic" => panic!("asked to"),
            "fail" => drop(sqlx::raw_sql(FAILS).execute(&mut **tx).await.unwrap_err()),
            "rollback" => end(tx, "rollback").await,
            "hang" => std::future::pending().await,
            other => panic!("{other}"),
        }
    }
    paid
}

#[idempotent(
    scope = "tenant",
    operation = "pay",
    ttl = "24h",
    store = "2xx, 402",
    in_flight = "reject",
    timeout = "30s"
)]
async fn reject(
    State(node): State<Node>,
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    act(&node, &tenant, &headers, &mut tx, new).await
}

#[idempotent(
    scope = "tenant",
    operation = "pay",
    ttl = "24h",
    store = "2xx, 402",
    in_flight = "wait 20s",
    timeout = "30s"
)]
async fn wait(
    State(node): State<Node>,
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    act(&node, &tenant, &headers, &mut tx, new).await
}

/// As [`wait`], and stores success alone.
#[idempotent(
    scope = "tenant",
    operation = "pay",
    ttl = "24h",
    in_flight = "wait 20s",
    timeout = "30s"
)]
async fn wait_plainly(
    State(node): State<Node>,
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    act(&node, &tenant, &headers, &mut tx, new).await
}

/// Waits for a short time only.
#[idempotent(
    scope = "tenant",
    operation = "pay",
    ttl = "24h",
    in_flight = "wait 50ms",
    timeout = "30s"
)]
async fn impatient(
    State(node): State<Node>,
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    act(&node, &tenant, &headers, &mut tx, new).await
}

/// Has the node's short timeout, although it would wait for longer.
#[idempotent(scope = "tenant", operation = "pay", ttl = "24h")]
async fn brief(
    State(node): State<Node>,
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    act(&node, &tenant, &headers, &mut tx, new).await
}

/// Uses the pool as any route does.
pub async fn read(State(node): State<Node>) -> Result<String, StatusCode> {
    let count = sqlx::query_scalar("select count(*) from payment").fetch_one(node.idem.pool());
    let count: sqlx::Result<i64> = count.await;
    count
        .map(|count| count.to_string())
        .map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}
