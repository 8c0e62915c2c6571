//! A deadlock between a handler and another transaction; the server rolls the victim back.

use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{Idempotency, Tx, idempotent};
use idem_tests::http::Answer;
use idem_tests::mysql::is_mysql;
use sqlx::mysql::MySqlConnection;
use sqlx::{Connection, Executor, Pool};

use super::gate::{Gate, WAIT, until_somebody_runs, until_somebody_waits};
use super::support::app::{
    AppState, NewPayment, Paid, Tenant, engine, has_paid, pay, payment, problem,
};
use super::{Db, TestDb};

/// Pays, becomes the victim if `x-then` is present, and reacts as it says.
#[idempotent(scope = "tenant", ttl = "24h")]
async fn create(
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    let paid = pay(&mut tx, &tenant, new.clone()).await;
    let Some(then) = headers.get("x-then").map(|then| then.as_bytes()) else {
        return paid;
    };
    if then == b"give up and remember nothing" {
        tx.execute("set max_error_count = 0").await.unwrap();
    }
    if then == b"give up inside a savepoint" {
        lose(&mut tx.begin().await.unwrap()).await;
    } else {
        lose(&mut tx).await;
    }
    match then {
        b"go on" => paid,
        b"go on and pay" => pay(&mut tx, &tenant, new).await,
        _ => Err(StatusCode::CONFLICT),
    }
}

async fn lose(conn: &mut MySqlConnection) {
    conn.execute(LOCK_FIRST_ROW).await.unwrap();
    conn.execute(WAIT).await.unwrap();
    let lost = conn.execute(LOCK_SECOND_ROW).await.unwrap_err();
    assert!(lost.to_string().contains("1213"), "{lost}");
}

#[tokio::test]
async fn a_deadlock_victim_is_rolled_back_and_its_retry_runs() {
    // Sessions may be set to remember no errors, which only a privileged account may change on MySQL.
    let fewest: &[_] = if is_mysql() { &[] } else { &["0"] };
    for remembered in ["64", "1"].iter().chain(fewest) {
        let table = Table::start_with(&[("max_error_count", remembered)]).await;
        let failed = table.victim("give up").await;
        let told = (failed.status.as_u16(), failed.body.len());
        assert_eq!(told, (409, 0), "{remembered}: {failed:?}");
        assert_eq!(table.db.payments().await, 0);
        let pay = payment("/pay").key("k");
        assert!(has_paid(&pay.send(&table.app).await));
        assert!(pay.send(&table.app).await.is_replay());
        assert_eq!(table.db.payments().await, 1);
    }
}

/// Whether something was committed earlier is unknown here, so a retry must not run.
#[tokio::test]
async fn a_deadlock_victim_that_hides_its_deadlock_is_not_run_again() {
    for then in [
        "go on",
        "go on and pay",
        "give up inside a savepoint",
        "give up and remember nothing",
    ] {
        let table = Table::start().await;
        let failed = table.victim(then).await;
        let told = (500, "transaction-broken".to_owned());
        assert_eq!(problem(&failed), told, "{then}");
        assert_eq!(table.db.payments().await, 0, "{then}");
        let retry = payment("/pay").key("k").send(&table.app).await;
        assert!(retry.is_replay(), "{then} {retry:?}");
        assert_eq!(retry.status, 500, "{then}");
    }
}

/// Two rows that are locked in opposite order.
struct Table {
    db: TestDb,
    app: Router,
    pool: Pool<Db>,
}

impl Table {
    async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The application's sessions start with these settings.
    async fn start_with(settings: &[(&str, &str)]) -> Self {
        let db = TestDb::new().await;
        engine(&db).await.pool().close().await;
        let idem = Idempotency::new(db.pool_with(5, settings).await);
        let pool = db.pool_of(3).await;
        pool.execute(ROWS).await.unwrap();
        let app = Router::new()
            .route("/pay", post(create))
            .with_state(AppState::new(idem));
        Self { db, app, pool }
    }

    /// The response of the handler that becomes the deadlock victim.
    async fn victim(&self, then: &str) -> Answer {
        let mut gate = Gate::shut(&self.pool).await;
        let victim = tokio::spawn({
            let pay = payment("/pay").key("k").header("x-then", then);
            let app = self.app.clone();
            async move { pay.send(&app).await }
        });
        let mut other = self.pool.acquire().await.unwrap();
        let mut other = other.begin().await.unwrap();
        // Whoever has written less is the victim.
        other
            .execute("update pair set n = n + 1 where id > 1")
            .await
            .unwrap();
        // The handler has the first row when it waits for the gate.
        until_somebody_waits(&self.pool).await;
        let blocked = async {
            other.execute(LOCK_FIRST_ROW).await.unwrap();
            other.rollback().await.unwrap();
        };
        let open = async {
            until_somebody_runs(&self.pool, "update pair").await;
            gate.open().await;
        };
        tokio::join!(blocked, open);
        victim.await.unwrap()
    }
}

const ROWS: &str = "create table pair (id bigint primary key, n bigint not null); \
    insert into pair values (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0)";
const LOCK_FIRST_ROW: &str = "update pair set n = n + 1 where id = 1";
const LOCK_SECOND_ROW: &str = "update pair set n = n + 1 where id = 2";
