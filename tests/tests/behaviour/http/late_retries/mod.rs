//! A key that comes after its ttl runs, or is refused where the operation says so.

use std::time::Duration;

use axum::Router;
use idem_axum::Idempotency;
use idem_tests::http::{self, Attempt};
use serde_json::{Value, json};

use super::super::support::app::{app, has_paid, payment, problem};
use super::super::*;

mod options;
mod removal;
mod sweeps;

const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);

/// A handle that refuses late retries for a month.
async fn refusing(db: &TestDb) -> Idempotency<Db> {
    let idem = idem_on(db.pool().await).refuse_late_retries(MONTH).build();
    idem.migrate().await.unwrap();
    idem
}

async fn tombstones(idem: &Idempotency<Db>) -> i64 {
    let count = sqlx::AssertSqlSafe(format!("select count(*) from {TOMBSTONE}"));
    sqlx::query_scalar(count)
        .fetch_one(idem.pool())
        .await
        .unwrap()
}

fn expired() -> (u16, String) {
    (422, "key-expired".to_owned())
}

/// A payment under the key `k`, stored by a handle that refuses late retries, and its ttl is over.
struct Late {
    db: TestDb,
    idem: Idempotency<Db>,
    app: Router,
    pay: Attempt,
}

impl Late {
    async fn start() -> Self {
        let db = TestDb::new().await;
        let idem = refusing(&db).await;
        let app = app(idem.clone());
        let pay = payment("/payments").key("k");
        assert!(has_paid(&pay.send(&app).await));
        assert!(pay.send(&app).await.is_replay());
        age_records(idem.pool()).await;
        Self { db, idem, app, pay }
    }
}

#[tokio::test]
async fn a_late_retry_is_refused_before_and_after_a_sweep() {
    let Late { db, idem, app, pay } = Late::start().await;
    let refused = pay.send(&app).await;
    assert_eq!(problem(&refused), expired());
    assert_eq!(refused.json::<Value>()["retryable"], false);
    // Another request with the key is not told what is stored.
    assert_eq!(
        problem(&pay.clone().body(r#"{"amount":6}"#).send(&app).await),
        expired()
    );
    assert_eq!(idem.sweep().await.unwrap(), 1);
    assert_eq!(tombstones(&idem).await, 1);
    for _ in 0..2 {
        assert_eq!(problem(&pay.send(&app).await), expired());
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn the_key_of_a_refused_retry_is_free_elsewhere() {
    let db = TestDb::new().await;
    let idem = refusing(&db).await;
    let app = app(idem.clone());
    assert!(has_paid(&payment("/payments").key("k").send(&app).await));
    age_records(idem.pool()).await;
    for is_swept in [false, true] {
        let tenant = if is_swept {
            "Bearer initech"
        } else {
            "Bearer globex"
        };
        let other = http::post("/payments").header("authorization", tenant);
        let others = [
            payment("/payments").key(if is_swept { "k2" } else { "k1" }),
            payment("/waiting").key(if is_swept { "k2" } else { "k1" }),
            other.json(&json!({ "amount": 5 })).key("k"),
        ];
        for other in others {
            assert!(has_paid(&other.send(&app).await), "{other:?}");
            assert!(other.send(&app).await.is_replay(), "{other:?}");
        }
        idem.sweep().await.unwrap();
    }
}

#[tokio::test]
async fn a_key_runs_again_once_its_refusal_is_over() {
    let Late { db, idem, app, pay } = Late::start().await;
    end_refusals(idem.pool()).await;
    // By the record.
    assert!(has_paid(&pay.send(&app).await));
    // Its successor refuses the key anew.
    age_records(idem.pool()).await;
    assert_eq!(problem(&pay.send(&app).await), expired());
    assert_eq!(idem.sweep().await.unwrap(), 1);
    // By the tombstone.
    end_refusals(idem.pool()).await;
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(idem.sweep().await.unwrap(), 0);
    assert_eq!(tombstones(&idem).await, 0);
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 3);
}
