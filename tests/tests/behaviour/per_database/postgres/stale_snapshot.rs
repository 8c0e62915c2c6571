//! Isolation levels whose snapshot is older than the attempt's lock: the probe cannot see
//! what the lock's last holder has committed.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{Idempotency, idempotent};
use idem_tests::http::Answer;

use super::gate::{Gate, until_somebody_waits};
use super::support::app::{
    AppState, NewPayment, Tenant, create_payment, engine, has_paid, payment, problem,
};
use super::{Db, INSERT_PAYMENT, TestDb};

/// Pays on a separate connection.
#[idempotent(scope = "tenant")]
async fn pay_by_pool(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    Json(new): Json<NewPayment>,
) -> StatusCode {
    let insert = sqlx::query(INSERT_PAYMENT).bind(tenant).bind(new.amount);
    let paid = insert.bind("-").execute(state.idem.pool()).await;
    paid.map_or(StatusCode::CONFLICT, |_| StatusCode::CREATED)
}

#[tokio::test]
async fn an_attempt_that_began_before_another_node_committed_pays_nothing() {
    for (isolation, told) in [
        ("read committed", None),
        ("repeatable read", Some((503, "try-again".to_owned()))),
        ("serializable", Some((503, "try-again".to_owned()))),
    ] {
        let race = Race::start(isolation).await;
        let late = race.run("/payments").await;
        match told {
            None => assert!(late.is_replay(), "{isolation} {late:?}"),
            Some(told) => assert_eq!(problem(&late), told, "{isolation}"),
        }
        assert_eq!(race.db.payments().await, 1, "{isolation}");
        let retry = payment("/payments").key("k").send(&race.late).await;
        assert!(retry.is_replay(), "{isolation} {retry:?}");
    }
}

#[tokio::test]
async fn a_handler_without_a_tx_is_replayed_despite_an_older_snapshot() {
    for isolation in ["read committed", "repeatable read", "serializable"] {
        let race = Race::start(isolation).await;
        let late = race.run("/pool").await;
        assert!(late.is_replay(), "{isolation} {late:?}");
        assert_eq!(race.db.payments().await, 1, "{isolation}");
    }
}

/// Two nodes, one of which takes its locks only when the test allows it.
struct Race {
    db: TestDb,
    first: Router,
    late: Router,
}

impl Race {
    async fn start(isolation: &str) -> Self {
        let db = TestDb::new().await;
        let first = engine(&db).await;
        sqlx::raw_sql(
            "create schema late; \
             create function late.pg_try_advisory_xact_lock(id bigint) returns boolean \
               language plpgsql as $$ begin \
                 perform pg_catalog.pg_advisory_xact_lock_shared(1); \
                 return pg_catalog.pg_try_advisory_xact_lock(id); \
               end $$; \
             alter function idem.step reset search_path",
        )
        .execute(first.pool())
        .await
        .unwrap();
        let settings = [
            ("default_transaction_isolation", isolation),
            ("search_path", "late,pg_catalog,public"),
        ];
        let late = Idempotency::new(db.pool_with(5, &settings).await);
        let (first, late) = (app(first), app(late));
        Self { db, first, late }
    }

    /// The response of the node that begins before the other one commits, and locks afterwards.
    async fn run(&self, path: &str) -> Answer {
        let pool = self.db.pool_of(2).await;
        let mut gate = Gate::shut(&pool).await;
        let late = tokio::spawn({
            let (pay, app) = (payment(path).key("k"), self.late.clone());
            async move { pay.send(&app).await }
        });
        until_somebody_waits(&pool).await;
        assert!(has_paid(&payment(path).key("k").send(&self.first).await));
        gate.open().await;
        late.await.unwrap()
    }
}

fn app(idem: Idempotency<Db>) -> Router {
    Router::new()
        .route("/payments", post(create_payment))
        .route("/pool", post(pay_by_pool))
        .with_state(AppState::new(idem))
}
