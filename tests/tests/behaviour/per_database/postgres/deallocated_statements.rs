//! A handler, or another user of the connection, deallocates Postgres' prepared statements.

use axum::Router;
use idem_axum::Idempotency;
use idem_axum::engine::{Inbox, MessageOutcome, Processed};
use sqlx::Pool;

use super::inbox::delivery::{deliver, pay};
use super::support::app::{engine, has_paid, payment, problem};
use super::support::statements::app;
use super::{Db, TestDb};

#[tokio::test]
async fn a_handler_that_deallocates_prepared_statements_loses_nothing() {
    let (db, _, app) = start().await;
    for (key, sql) in ["deallocate all", "discard plans"].into_iter().enumerate() {
        let pay = payment("/act").key(&key.to_string()).header("x-sql", sql);
        let first = pay.send(&app).await;
        if sql == "deallocate all" {
            assert_eq!(problem(&first), (503, "try-again".to_owned()), "{sql}");
            assert!(has_paid(&pay.send(&app).await), "{sql}");
        } else {
            assert!(has_paid(&first), "{sql}: {first:?}");
        }
        let retry = pay.send(&app).await;
        assert!(retry.is_replay(), "{sql}: {retry:?}");
        // The application's own statements may fail once, as without Idem.
        let next = payment("/act").key(&format!("after-{key}"));
        let failed = next.send(&app).await;
        assert!(
            has_paid(&failed) || failed.status == 500,
            "{sql}: {failed:?}"
        );
        let next = next.send(&app).await;
        assert_eq!(has_paid(&failed), next.is_replay(), "{sql}: {next:?}");
        assert_eq!(next.status, 201, "{sql}: {next:?}");
    }
    assert_eq!(db.payments().await, 2 + 4);
}

/// The application's own statements fail once, as without Idem, but not for ever as there.
#[tokio::test]
async fn statements_discarded_between_two_attempts_are_prepared_again() {
    let (_db, pool, app) = start().await;
    for (key, sql) in ["discard all", "deallocate all"].into_iter().enumerate() {
        sqlx::raw_sql(sql).execute(&pool).await.unwrap();
        let pay = payment("/act").key(&key.to_string());
        let first = pay.send(&app).await;
        assert!(has_paid(&first) || first.status == 500, "{sql}: {first:?}");
        let second = pay.send(&app).await;
        assert_eq!(second.status, 201, "{sql}: {second:?}");
        assert_eq!(has_paid(&first), second.is_replay(), "{sql}: {second:?}");
    }
}

#[tokio::test]
async fn the_inbox_survives_a_handler_that_deallocates_prepared_statements() {
    let (db, pool, _) = start().await;
    let inbox = Inbox::new(Idempotency::new(pool));
    for id in ["m1", "m2", "m3"] {
        let mut deliveries = 0..2;
        while deliveries.next().is_some() {
            let done = inbox.process("billing", id, async |tx| {
                let paid = pay(tx).await?;
                let deallocate = sqlx::raw_sql("deallocate all");
                deallocate.execute(&mut **tx).await.map(|_| paid)
            });
            match done.await {
                Ok(done) => {
                    assert!(matches!(done, Processed::First(_)), "{done:?}");
                    break;
                }
                Err(error) => assert!(!deliveries.is_empty(), "{error:?}"),
            }
        }
        // The application's own statement may fail once, as without Idem.
        if deliver(&inbox, &format!("after {id}")).await.is_err() {
            deliver(&inbox, &format!("after {id}")).await.unwrap();
        }
    }
    for ids in [["m4", "m5"], ["m6", "m7"]] {
        let messages = ids.iter().map(|id| (*id).into());
        let mut batch = inbox.process_batch("billing", messages).unwrap();
        while let Some(mut message) = batch.next().await.unwrap() {
            let mut tx = message.tx();
            pay(&mut tx).await.unwrap();
            if message.index() == 1 {
                let deallocate = sqlx::raw_sql("deallocate all");
                deallocate.execute(&mut *message.tx()).await.unwrap();
            }
            message.done();
        }
        assert_eq!(batch.finish().await.unwrap(), [MessageOutcome::First; 2]);
    }
    assert_eq!(db.payments().await, 2 + 6 + 4);
}

/// One connection with all statements prepared.
async fn start() -> (TestDb, Pool<Db>, Router) {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let pool = db.pool_of(1).await;
    let app = app(Idempotency::new(pool.clone()), std::sync::Arc::default());
    for key in ["warm", "warmer"] {
        assert!(has_paid(&payment("/act").key(key).send(&app).await));
    }
    (db, pool, app)
}
