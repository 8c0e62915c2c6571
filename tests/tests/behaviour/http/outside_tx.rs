//! A watched pool notices that a handler with a `Tx` takes a connection from it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{Idempotency, IdempotencyLayer, Inbox, LayerTx, OutsideTx, Tx, idempotent};
use idem_tests::log::Log;
use sqlx::Pool;
use sqlx::pool::PoolOptions;
use uuid::Uuid;

use super::support::app::{AppState, Tenant, engine, payment, problem};
use super::{Db, TestDb, idem_on};

/// A repository that holds the pool.
async fn use_pool(pool: &Pool<Db>) {
    sqlx::query("select 1").execute(pool).await.unwrap();
}

#[idempotent(scope = "tenant", operation = "pay", key = optional)]
async fn pay(State(app): State<AppState>, mut tx: Tx<Db>) -> StatusCode {
    use_pool(app.idem.pool()).await;
    sqlx::query("select 1").execute(&mut *tx).await.unwrap();
    StatusCode::CREATED
}

#[idempotent(scope = "tenant", operation = "notify")]
async fn notify(State(app): State<AppState>) -> StatusCode {
    use_pool(app.idem.pool()).await;
    StatusCode::CREATED
}

/// Idem's own connection inside of a handler is not the repository's.
#[idempotent(scope = "tenant", operation = "count")]
async fn count(State(app): State<AppState>, mut tx: Tx<Db>) -> StatusCode {
    app.idem.count_records().await.unwrap();
    sqlx::query("select 1").execute(&mut *tx).await.unwrap();
    StatusCode::CREATED
}

/// A handler inside of a layer, once it has taken the transaction.
async fn layered(State(app): State<AppState>, mut tx: LayerTx<Db>) -> StatusCode {
    sqlx::query("select 1").execute(&mut *tx).await.unwrap();
    use_pool(app.idem.pool()).await;
    StatusCode::CREATED
}

async fn layered_without_tx(State(app): State<AppState>) -> StatusCode {
    use_pool(app.idem.pool()).await;
    StatusCode::CREATED
}

type Seen = Arc<Mutex<Vec<Option<String>>>>;

/// Handlers over a pool that is watched, and the operations that it has seen.
async fn watched(db: &TestDb, mode: &str) -> (Idempotency<Db>, Router, Seen) {
    let seen = Seen::default();
    let report = {
        let seen = Arc::clone(&seen);
        move |found: OutsideTx| {
            let operation = found
                .operation()
                .map(|operation| operation.as_str().to_owned());
            seen.lock().unwrap().push(operation);
        }
    };
    // Another pool makes the tables, so that this one has the one connection that it began with.
    engine(db).await;
    let options = OutsideTx::watch(PoolOptions::new().max_connections(3), report);
    let idem = idem_on(connect(db, options).await);
    let idem = idem.rollout(format!("*={mode}").parse().unwrap()).build();
    let app = app(&idem);
    (idem, app, seen)
}

async fn connect(db: &TestDb, options: PoolOptions<Db>) -> Pool<Db> {
    let to = db.pool_of(1).await.connect_options();
    options.connect_with((*to).clone()).await.unwrap()
}

fn app(idem: &Idempotency<Db>) -> Router {
    let state = AppState::new(idem.clone());
    let layer = IdempotencyLayer::scoped::<Tenant, _>(&state).with_tx();
    let routes = Router::new()
        .route("/layered", post(layered))
        .route("/layered-without-tx", post(layered_without_tx))
        .route_layer(layer)
        .route("/pay", post(pay))
        .route("/notify", post(notify))
        .route("/count", post(count));
    routes.with_state(state)
}

fn take(seen: &Seen) -> Vec<Option<String>> {
    std::mem::take(&mut seen.lock().unwrap())
}

#[tokio::test]
async fn a_watched_pool_names_the_handler_that_takes_a_connection_beside_its_tx() {
    let db = TestDb::new().await;
    for mode in ["off", "observe", "validate", "enforce"] {
        let (_idem, app, seen) = watched(&db, mode).await;
        for (path, expected) in [
            ("/pay", vec![Some("pay".to_owned())]),
            ("/layered", vec![Some("POST /layered".to_owned())]),
            ("/layered-without-tx", vec![]),
            ("/notify", vec![]),
            ("/count", vec![]),
        ] {
            let attempt = payment(path).key(&format!("{mode}{}", path.replace('/', "-")));
            let answer = attempt.send(&app).await;
            assert_eq!(answer.status, 201, "{mode} {path} {answer:?}");
            let expected: Vec<_> = match mode {
                "off" => expected.iter().map(|_| None).collect(),
                _ => expected,
            };
            assert_eq!(take(&seen), expected, "{mode} {path}");
        }
    }
}

/// Without a record there is no operation to name. The `Tx` has the pool's connection, so the next one is new.
#[tokio::test]
async fn a_watched_pool_sees_a_handler_without_a_record_and_a_new_connection() {
    let db = TestDb::new().await;
    let (idem, app, seen) = watched(&db, "enforce").await;
    assert_eq!((idem.pool().size(), idem.pool().num_idle()), (1, 1));
    assert_eq!(payment("/pay").send(&app).await.status, 201);
    assert_eq!(idem.pool().size(), 2);
    assert_eq!(take(&seen), [None]);
}

#[tokio::test]
async fn a_watched_pool_sees_the_handler_of_a_message() {
    let db = TestDb::new().await;
    let (idem, _, seen) = watched(&db, "enforce").await;
    let inbox = Inbox::new(idem.clone());
    let handled = inbox.process("billing", "m1", async |_| {
        use_pool(idem.pool()).await;
        Ok::<_, sqlx::Error>(())
    });
    handled.await.unwrap();
    use_pool(idem.pool()).await;
    assert_eq!(take(&seen), [Some("inbox:billing".to_owned())]);
}

/// What a test suite does with it: nothing is committed, and the request fails.
#[tokio::test]
async fn a_report_that_panics_rolls_the_attempt_back() {
    let db = TestDb::new().await;
    let report = |found: OutsideTx| panic!("{found}");
    let idem = idem_on(connect(&db, OutsideTx::watch(PoolOptions::new(), report)).await).build();
    idem.migrate().await.unwrap();
    let pay = payment("/pay").key("k");
    let answer = pay.send(&app(&idem)).await;
    assert_eq!(answer.status, 500, "{answer:?}");
    assert_eq!(problem(&answer).1, "handler-panicked");
    assert_eq!(idem.count_records().await.unwrap(), []);
}

#[tokio::test]
async fn a_warning_is_logged_once_for_each_operation() {
    let (log, db) = (Log::shared(), TestDb::new().await);
    let idem = idem_on(connect(&db, OutsideTx::warn(PoolOptions::new())).await).build();
    idem.migrate().await.unwrap();
    let inbox = Inbox::new(idem.clone());
    // The log is of all tests of the process.
    let consumers = ["billing", "mail"].map(|name| format!("{name}-{}", Uuid::new_v4()));
    for (consumer, id) in [(0, "m1"), (1, "m1"), (0, "m2"), (1, "m2")] {
        let handled = inbox.process(&consumers[consumer], id, async |_| {
            use_pool(idem.pool()).await;
            Ok::<_, sqlx::Error>(())
        });
        handled.await.unwrap();
    }
    let text = log.text();
    for consumer in consumers {
        let said = format!("a connection was taken from the pool inside of `inbox:{consumer}`");
        let warnings = text.lines().filter(|line| line.contains(&said));
        let levels: Vec<_> = warnings.map(|line| line.contains("WARN")).collect();
        assert_eq!(levels, [true]);
    }
}
