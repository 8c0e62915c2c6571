//! Calls of the inbox are dropped at every await: nothing is lost or done twice, and the pool's
//! only connection still works.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use idem_axum::Tx;
use idem_axum::engine::{Inbox, Message, MessageOutcome, Processed};
use idem_tests::a_moment;
use sqlx::{AssertSqlSafe, Pool};

use super::support::app::engine;
use super::{Db, INSERT_PAYMENT, TestDb};

async fn start() -> (TestDb, Inbox<Db>) {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let pool = db.pool_of(1).await;
    (db, Inbox::new(idem_axum::Idempotency::new(pool)))
}

async fn pay_for(tx: &mut Tx<'_, Db>, id: &str) -> sqlx::Result<i64> {
    let insert = sqlx::query_scalar(INSERT_PAYMENT);
    let insert = insert.bind("acme").bind(5_i64).bind(id);
    insert.fetch_one(&mut **tx).await
}

/// Drops the future after this many polls; several futures may share the budget.
async fn within<F: Future>(budget: &Cell<usize>, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| match (budget.get(), future.as_mut()) {
        (0, _) => Poll::Ready(None),
        (left, future) => {
            budget.set(left - 1);
            future.poll(context).map(Some)
        }
    })
    .await
}

/// Delivers it until it is handled; `true` if for the first time.
async fn settle(inbox: &Inbox<Db>, id: &str) -> bool {
    loop {
        let handle = async |tx: &mut Tx<'_, Db>| pay_for(tx, id).await;
        match inbox.process("billing", id, handle).await {
            Ok(Processed::First(_)) => return true,
            Ok(Processed::Duplicate) => return false,
            Ok(Processed::InFlight) => a_moment().await,
            done => panic!("{id}: {done:?}"),
        }
    }
}

async fn paid(pool: &Pool<Db>, id: &str) -> i64 {
    let count = format!("select count(*) from payment where reference = '{id}'");
    let count = sqlx::query_scalar(AssertSqlSafe(count));
    count.fetch_one(pool).await.unwrap()
}

/// Checks that another write on the same connection is committed at once.
async fn is_healthy(db: &TestDb, pool: &Pool<Db>) {
    let before = db.payments().await;
    let insert = sqlx::query_scalar::<_, i64>(INSERT_PAYMENT);
    let insert = insert.bind("acme").bind(5_i64).bind("foreign");
    insert.fetch_one(pool).await.unwrap();
    assert_eq!(db.payments().await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_process_at_any_await_loses_and_doubles_no_message() {
    let (db, inbox) = start().await;
    let pool = inbox.idempotency().pool();
    let mut ends = 0;
    for delivery in [1, 2] {
        for fails in [false, true] {
            for polls in 0.. {
                let id = format!("m-{delivery}-{fails}-{polls}");
                let budget = Cell::new(polls);
                let done = within(&budget, async {
                    let message = Message::new(&id).delivery(delivery);
                    let handle = async |tx: &mut Tx<'_, Db>| {
                        pay_for(tx, &id).await.map_err(|error| error.to_string())?;
                        if fails {
                            Err("no ledger".to_owned())
                        } else {
                            Ok(())
                        }
                    };
                    inbox.process("billing", message, handle).await
                });
                let done = done.await;
                let is_first = settle(&inbox, &id).await;
                assert_eq!(paid(pool, &id).await, 1, "{id}");
                is_healthy(&db, pool).await;
                if let Some(done) = done {
                    assert_eq!(done.is_err(), is_first, "{id}: {done:?}");
                    ends += 1;
                    break;
                }
            }
        }
    }
    assert_eq!(ends, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_a_batch_at_any_await_loses_and_doubles_no_message() {
    let (db, inbox) = start().await;
    let pool = inbox.idempotency().pool();
    for (finishes, first) in [(false, 0), (true, 1)] {
        // Each third is enough to meet all kinds of awaits.
        for polls in (first..).step_by(3) {
            let names = ["a", "fails", "b", "again"].map(|id| format!("{finishes}-{polls}-{id}"));
            let messages = names
                .iter()
                .map(|id| Message::new(id).delivery(if id.ends_with("again") { 2 } else { 1 }));
            let mut batch = inbox.process_batch("billing", messages).unwrap();
            let budget = Cell::new(polls);
            let mut is_over = false;
            while let Some(next) = within(&budget, batch.next()).await {
                let Some(mut message) = next.unwrap() else {
                    is_over = true;
                    break;
                };
                let id = &names[message.index()];
                let paid = within(&budget, pay_for(&mut message.tx(), id)).await;
                let failed = match paid {
                    Some(paid) if !id.ends_with("fails") => {
                        paid.unwrap();
                        message.done();
                        continue;
                    }
                    Some(_) => within(&budget, message.fail("no ledger")).await,
                    // As a worker does that bounds a handler's time itself.
                    None => Some(message.fail("stopped").await),
                };
                match failed {
                    Some(failed) => failed.unwrap(),
                    None => break,
                }
            }
            let outcomes = if finishes {
                batch.finish().await.ok()
            } else {
                within(&budget, batch.finish()).await.transpose().unwrap()
            };
            for (number, id) in names.iter().enumerate() {
                let is_first = settle(&inbox, id).await;
                if let Some(outcomes) = &outcomes {
                    let told = outcomes[number];
                    assert!(
                        !(is_first && told == MessageOutcome::First),
                        "{id}: {told:?}"
                    );
                    assert!(
                        !(is_first && told == MessageOutcome::Duplicate),
                        "{id}: {told:?}"
                    );
                }
                assert_eq!(paid(pool, id).await, 1, "{id}");
            }
            is_healthy(&db, pool).await;
            if is_over && outcomes.is_some() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_batch_commits_nothing_when_a_failure_is_not_awaited() {
    let (db, inbox) = start().await;
    for (delivery, ids) in [(1, ["m1", "m2"]), (2, ["m3", "m4"])] {
        let messages = ids.map(|id| Message::new(id).delivery(delivery));
        let mut batch = inbox.process_batch("billing", messages).unwrap();
        let mut message = batch.next().await.unwrap().unwrap();
        pay_for(&mut message.tx(), "m1").await.unwrap();
        drop(message.fail("no ledger"));
        let outcomes = batch.finish().await.unwrap();
        assert_eq!(outcomes, [MessageOutcome::InFlight; 2]);
        assert_eq!(db.payments().await, 0);
    }
}
