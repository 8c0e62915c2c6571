//! Router states of every shape, with a database.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRef, State};
use axum::routing::post;
use idem_axum::{HasIdempotency, Idempotency, Tx, idempotent};

use super::support::app::{AppState, FIVE, Paid, Tenant, engine, has_paid, pay, payment};
use super::{Db, TestDb};

#[idempotent(scope = "tenant")]
async fn in_an_arc(
    State(_): State<Arc<AppState>>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    _: Bytes,
) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", state = AppState)]
async fn of_a_part(
    State(currency): State<Currency>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    _: Bytes,
) -> Paid {
    assert_eq!(currency.0, "EUR");
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = Tenant)]
async fn of_any_state(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

/// A part of the state without a handle.
struct Currency(&'static str);

impl FromRef<AppState> for Currency {
    fn from_ref(_: &AppState) -> Self {
        Self("EUR")
    }
}

/// A state that wraps another one.
#[derive(Clone, HasIdempotency)]
struct Outer {
    #[idempotency]
    inner: Arc<AppState>,
}

#[tokio::test]
async fn a_state_may_be_in_an_arc() {
    let (db, idem) = database().await;
    let routes = Router::new().route("/pay", post(in_an_arc));
    pays_once(&db, &routes.with_state(Arc::new(AppState::new(idem)))).await;
}

#[tokio::test]
async fn a_handler_may_take_a_part_of_the_state() {
    let (db, idem) = database().await;
    let routes = Router::new().route("/pay", post(of_a_part));
    pays_once(&db, &routes.with_state(AppState::new(idem))).await;
}

#[tokio::test]
async fn a_state_may_be_the_handle_alone() {
    let (db, idem) = database().await;
    let routes = Router::new().route("/pay", post(of_any_state));
    pays_once(&db, &routes.with_state(idem)).await;
}

#[tokio::test]
async fn a_state_may_wrap_another_state() {
    let (db, idem) = database().await;
    let routes = Router::new().route("/pay", post(of_any_state));
    let inner = Arc::new(AppState::new(idem));
    pays_once(&db, &routes.with_state(Outer { inner })).await;
}

#[tokio::test]
async fn a_router_of_another_state_may_nest_or_merge_the_app() {
    let (db, idem) = database().await;
    let inner = Router::new().route("/pay", post(of_a_part));
    let state = AppState::new(idem);
    let outer = Router::new()
        .nest("/nested", inner.clone().with_state(state.clone()))
        .nest_service("/service", inner.clone().with_state::<()>(state.clone()))
        .merge(inner.with_state(state))
        .with_state("another state");
    pays_once(&db, &outer).await;
    for path in ["/nested/pay", "/service/pay"] {
        let pay = payment(path).key("k");
        let first = pay.send(&outer).await;
        assert_eq!(first.status, 201, "{first:?}");
        assert!(pay.send(&outer).await.is_replay());
    }
}

async fn database() -> (TestDb, Idempotency<Db>) {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    (db, idem)
}

async fn pays_once(db: &TestDb, app: &Router) {
    let pay = payment("/pay").key("k");
    assert!(has_paid(&pay.send(app).await));
    assert!(pay.send(app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}
