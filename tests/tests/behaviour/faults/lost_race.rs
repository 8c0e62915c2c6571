//! A record appears while the handler runs, despite all locks: the primary key decides.

use std::sync::Arc;

use axum::Router;
use idem_axum::{EncryptionKeys, Idempotency, IdempotencyBuilder};
use idem_tests::http::{Answer, Attempt};
use sqlx::{AssertSqlSafe, Pool};

use super::support::app::{Gate, app_with, payment, problem};
use super::support::statements;
use super::{Db, RACED, RECORD, TestDb, idem_on};

#[tokio::test]
async fn the_loser_of_a_race_replays_the_winner_and_rolls_back_its_writes() {
    for path in RACED {
        let race = Race::new(path).await;
        let paid = race.db.payments().await;
        let answer = race
            .run_while_the_record_appears(&payment(path).key("k"))
            .await;
        assert!(answer.is_replay(), "{path}: {answer:?}");
        assert_eq!(
            (answer.status, &answer.body),
            (race.first.status, &race.first.body)
        );
        assert_eq!(race.db.payments().await, paid, "{path}");
        assert!(payment(path).key("k").send(&race.app).await.is_replay());
    }
}

#[tokio::test]
async fn the_loser_of_a_race_replays_an_encrypted_response() {
    for path in RACED {
        let keys = EncryptionKeys::new("one", &[1; 32]).unwrap();
        let race = Race::with(path, |idem| idem.encrypt_with(keys)).await;
        let answer = race
            .run_while_the_record_appears(&payment(path).key("k"))
            .await;
        assert!(answer.is_replay(), "{path}: {answer:?}");
        assert_eq!(answer.body, race.first.body, "{path}");
    }
}

#[tokio::test]
async fn the_loser_of_a_race_to_a_different_request_is_refused() {
    for path in RACED {
        let race = Race::new(path).await;
        let paid = race.db.payments().await;
        let other = payment(path).key("k").body(r#"{"amount":6}"#);
        let answer = race.run_while_the_record_appears(&other).await;
        // What was done without a `Tx` stays.
        let expected = match path {
            "/outside" => (500, "done-not-recorded".to_owned()),
            _ => (422, "key-reused".to_owned()),
        };
        assert_eq!(problem(&answer), expected, "{path}");
        assert_eq!(race.db.payments().await, paid, "{path}");
        assert!(payment(path).key("k").send(&race.app).await.is_replay());
    }
}

/// A record of the key `k` that was moved away.
struct Race {
    db: TestDb,
    elsewhere: Pool<Db>,
    gate: Arc<Gate>,
    app: Router,
    first: Answer,
}

impl Race {
    async fn new(path: &str) -> Self {
        Self::with(path, |idem| idem).await
    }

    async fn with(
        path: &str,
        options: impl FnOnce(IdempotencyBuilder<Db>) -> IdempotencyBuilder<Db>,
    ) -> Self {
        let (db, gate) = (TestDb::new().await, Arc::<Gate>::default());
        let idem: Idempotency<Db> = options(idem_on(db.pool().await)).build();
        idem.migrate().await.unwrap();
        let app = app_with(idem.clone(), Arc::clone(&gate));
        let app = app.merge(statements::app(idem, Arc::clone(&gate)));
        gate.open.notify_one();
        let first = payment(path).key("k").send(&app).await;
        gate.entered.notified().await;
        let elsewhere = db.pool_of(1).await;
        let aside = format!("create table aside as select * from {RECORD}; delete from {RECORD}");
        let aside = sqlx::raw_sql(AssertSqlSafe(aside));
        aside.execute(&elsewhere).await.unwrap();
        Self {
            db,
            elsewhere,
            gate,
            app,
            first,
        }
    }

    async fn run_while_the_record_appears(&self, attempt: &Attempt) -> Answer {
        let running = tokio::spawn({
            let (attempt, app) = (attempt.clone(), self.app.clone());
            async move { attempt.send(&app).await }
        });
        self.gate.entered.notified().await;
        let appear = AssertSqlSafe(format!("insert into {RECORD} select * from aside"));
        sqlx::query(appear).execute(&self.elsewhere).await.unwrap();
        self.gate.open.notify_one();
        running.await.unwrap()
    }
}
