//! The application that the behaviour tests send requests to.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::routing::{any, post};
use axum::{Json, Router};
use idem_axum::engine::{Invalidated, RecordName};
use idem_axum::{HasIdempotency, Idempotency, ScopeKey, Tx, idempotent};
use idem_tests::a_moment;
use idem_tests::http::{self, Answer, Attempt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{Db, FAILS, INSERT_PAYMENT, IS_NAMED, TestDb, idem_on};

/// The state of the application.
#[derive(Clone, HasIdempotency)]
#[scopes(tenant = Tenant)]
pub struct AppState {
    pub idem: Idempotency<Db>,
    pub gate: Arc<Gate>,
}

impl AppState {
    pub fn new(idem: Idempotency<Db>) -> Self {
        let gate = Arc::default();
        Self { idem, gate }
    }
}

/// Holds a running handler until the test lets it continue.
#[derive(Debug, Default)]
pub struct Gate {
    pub entered: Notify,
    pub open: Notify,
}

/// The authenticated tenant: `Authorization: Bearer <tenant>`.
#[derive(Debug)]
pub struct Tenant(pub String);

impl ScopeKey for Tenant {
    fn scope_key(&self) -> std::borrow::Cow<'_, str> {
        self.0.as_str().into()
    }
}

impl<S: Sync> FromRequestParts<S> for Tenant {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let header = parts
            .headers
            .get("authorization")
            .and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        token
            .map(|tenant| Self(tenant.to_owned()))
            .ok_or(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct NewPayment {
    pub amount: i64,
}

/// The payment that [`payment`] sends, for handlers that do not read it.
pub const FIVE: NewPayment = NewPayment { amount: 5 };

#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Payment {
    pub id: i64,
    pub amount: i64,
}

pub type Paid = Result<(StatusCode, Json<Payment>), StatusCode>;

#[idempotent(scope = "tenant", ttl = "24h")]
pub async fn create_payment(
    State(_): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    pay(&mut tx, &tenant, new).await
}

#[idempotent(scope = "tenant", ttl = "24h", in_flight = "wait 5s")]
async fn create_waiting(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    pay(&mut tx, &tenant, new).await
}

#[idempotent(scope = "tenant", ttl = "24h", key = "optional")]
async fn create_with_optional_key(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    pay(&mut tx, &tenant, new).await
}

/// Pays, then does what the header `x-then` says; the fingerprint does not include it.
#[idempotent(scope = "tenant", ttl = "24h", store = "2xx, 402", plain = create_then_plainly)]
pub async fn create_then(
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    let paid = pay(&mut tx, &tenant, new).await;
    match headers.get("x-then").map(|then| then.as_bytes()) {
        None => return paid,
        Some(b"402") => return Err(StatusCode::PAYMENT_REQUIRED),
        Some(b"409") => return Err(StatusCode::CONFLICT),
        Some(b"panic") => panic!("asked to"),
        Some(b"fail") => {
            sqlx::raw_sql(FAILS).execute(&mut *tx).await.unwrap_err();
        }
        Some(b"fail-and-pay") => {
            sqlx::raw_sql(FAILS).execute(&mut *tx).await.unwrap_err();
            let _paid = pay(&mut tx, &tenant, NewPayment { amount: 7 }).await;
        }
        Some(b"commit") => end(&mut tx, "commit").await,
        Some(b"rollback") => end(&mut tx, "rollback").await,
        Some(b"commit-and-begin") => end(&mut tx, "commit; begin").await,
        Some(b"rollback-and-begin") => end(&mut tx, "rollback; begin").await,
        Some(b"forget") => std::mem::forget(tx.begin().await.unwrap()),
        Some(b"nest-and-fail") => {
            nest(&mut tx, &tenant).await.commit().await.unwrap();
            return Err(StatusCode::CONFLICT);
        }
        Some(b"nest-and-undo") => nest(&mut tx, &tenant).await.rollback().await.unwrap(),
        other => panic!("{other:?}"),
    }
    paid
}

/// Pays once more in a savepoint.
async fn nest<'t>(tx: &'t mut Tx<'_, Db>, tenant: &str) -> sqlx::Transaction<'t, Db> {
    let mut savepoint = tx.begin().await.unwrap();
    pay_on(&mut savepoint, tenant, "-", 7).await.unwrap();
    savepoint
}

/// Ends the transaction behind the back of `tx`, and ignores errors.
pub async fn end(tx: &mut Tx<'_, Db>, statement: &'static str) {
    let _ended = sqlx::raw_sql(statement).execute(&mut **tx).await;
}

/// Pays and then never returns.
#[idempotent(scope = "tenant", operation = "pay-in-time", timeout = "200ms")]
async fn create_in_time(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    let _paid = pay(&mut tx, &tenant, new).await;
    std::future::pending().await
}

/// The same operation without a short timeout.
#[idempotent(scope = "tenant", operation = "pay-in-time")]
async fn create_in_any_time(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    pay(&mut tx, &tenant, new).await
}

/// Pays and responds with headers of many kinds.
#[idempotent(scope = "tenant", ttl = "24h")]
async fn create_with_headers(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Result<(StatusCode, HeaderMap, Json<Payment>), StatusCode> {
    let (status, payment) = pay(&mut tx, &tenant, new).await?;
    let mut headers = HeaderMap::new();
    for (name, value) in [
        ("set-cookie", &b"session=1"[..]),
        ("set-cookie2", b"session=1; Version=1"),
        ("authentication-info", b"nextnonce=\"n\""),
        ("location", b"/payments/1"),
        ("link", b"</a>; rel=\"next\""),
        ("link", b"</b>, </c>"),
        ("x-binary", b"\xff: \x80"),
    ] {
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    Ok((status, headers, payment))
}

/// Pays, then waits at the gate.
#[idempotent(scope = "tenant", ttl = "24h", in_flight = "wait 20s")]
async fn create_at_gate(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    let paid = pay(&mut tx, &tenant, new).await;
    state.gate.entered.notify_one();
    state.gate.open.notified().await;
    paid
}

pub async fn pay(tx: &mut Tx<'_, Db>, tenant: &str, new: NewPayment) -> Paid {
    pay_for(tx, tenant, "-", new).await
}

pub async fn pay_for(tx: &mut Tx<'_, Db>, tenant: &str, reference: &str, new: NewPayment) -> Paid {
    let amount = new.amount;
    let id = pay_on(tx, tenant, reference, amount).await;
    let id = id.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok((StatusCode::CREATED, Json(Payment { id, amount })))
}

async fn pay_on(
    conn: &mut <Db as sqlx::Database>::Connection,
    tenant: &str,
    reference: &str,
    amount: i64,
) -> sqlx::Result<i64> {
    let insert = sqlx::query_scalar(INSERT_PAYMENT).persistent(IS_NAMED);
    let insert = insert.bind(tenant).bind(amount).bind(reference);
    insert.fetch_one(conn).await
}

pub fn app(idem: Idempotency<Db>) -> Router {
    app_with(idem, Arc::default())
}

pub fn app_with(idem: Idempotency<Db>, gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/payments", any(create_payment))
        .route("/waiting", post(create_waiting))
        .route("/optional", post(create_with_optional_key))
        .route("/then", post(create_then))
        .route("/in-time", post(create_in_time))
        .route("/in-any-time", post(create_in_any_time))
        .route("/headers", post(create_with_headers))
        .route("/gate", post(create_at_gate))
        .with_state(AppState { idem, gate })
}

/// A database, and a test's own routes with it.
pub async fn start(routes: Router<AppState>) -> (TestDb, Router) {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    (db, routes.with_state(AppState::new(idem)))
}

/// An engine with its tables, on a pool of five connections.
pub async fn engine(db: &TestDb) -> Idempotency<Db> {
    let idem = idem_on(db.pool().await).build();
    idem.migrate().await.unwrap();
    idem
}

/// Like [`engine`], with this rollout plan.
pub async fn engine_in(db: &TestDb, plan: &str) -> Idempotency<Db> {
    let idem = idem_on(db.pool().await).rollout(plan.parse().unwrap());
    let idem = idem.build();
    idem.migrate().await.unwrap();
    idem
}

/// A payment of 5 by `acme`, without a key.
pub fn payment(path: &str) -> Attempt {
    http::post(path)
        .header("authorization", "Bearer acme")
        .json(&json!({ "amount": 5 }))
}

/// Whether it is the response of a handler that has just paid, not a replay.
pub fn has_paid(answer: &Answer) -> bool {
    answer.status == 201 && !answer.is_replay()
}

/// Repeats the attempt while the first one may still be ending.
///
/// Its response proves that the first one's statement has ended: the key is locked until then.
pub async fn once_it_is_over(pay: &Attempt, app: &Router) -> Answer {
    let over = async {
        loop {
            let answer = pay.send(app).await;
            if ![409, 503].contains(&answer.status.as_u16()) {
                return answer;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(30), over).await.unwrap()
}

/// Invalidates a record as soon as no attempt holds its name.
///
/// Some release the name only after their client has its response: MySQL by a statement after the COMMIT, and a
/// replay on Postgres by a ROLLBACK that is sent with the pool's ping.
pub async fn invalidate(idem: &Idempotency<Db>, name: &RecordName, by: &str) -> Invalidated {
    let released = async {
        loop {
            match idem.invalidate(name, by).await.unwrap() {
                Invalidated::InFlight => a_moment().await,
                invalidated => return invalidated,
            }
        }
    };
    timeout(Duration::from_secs(30), released).await.unwrap()
}

/// The status of a problem, and the last part of its type.
pub fn problem(answer: &Answer) -> (u16, String) {
    assert_eq!(
        answer.header("content-type"),
        Some("application/problem+json"),
        "{answer:?}"
    );
    let kind = answer.json::<Value>()["type"].as_str().unwrap().to_owned();
    let name = kind.rsplit(':').next().unwrap();
    (answer.status.as_u16(), name.to_owned())
}
