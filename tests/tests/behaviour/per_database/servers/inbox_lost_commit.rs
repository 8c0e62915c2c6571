//! The connection is lost while a message is handled, counted or parked. SQLite has none to lose.

use idem_axum::engine::{
    ConsumerPolicy, Error, Inbox, Message, MessageOutcome, ProcessError, Processed, Settlement,
};
use idem_tests::a_moment;
use idem_tests::proxy::{Action, Proxy};

use super::inbox::delivery::{Done, deliver, pay};
use super::support::app::engine;
use super::{COMMIT, COMMITS, Db, LETTER, RECORD, TestDb, idem_on, pool_at};

/// The inbox reaches its database through the proxy.
pub async fn start() -> (TestDb, Proxy, Inbox<Db>) {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let proxy = Proxy::to(&db.url()).await;
    let idem = idem_on(pool_at(proxy.url(), 3).await).build();
    let policy = ConsumerPolicy::default().max_attempts(2);
    let inbox = Inbox::builder(idem).consumer("billing", policy);
    (db, proxy, inbox.build().unwrap())
}

async fn fail(
    inbox: &Inbox<Db>,
    id: &str,
    delivery: u64,
) -> Result<Processed<i64>, ProcessError<String>> {
    let message = Message::new(id).delivery(delivery).payload("p");
    let handle = async |tx: &mut idem_axum::Tx<'_, Db>| {
        pay(tx).await.map_err(|error| error.to_string())?;
        Err("no ledger".to_owned())
    };
    inbox.process("billing", message, handle).await
}

/// Delivers it until it is acknowledged, as a broker does.
async fn settle(inbox: &Inbox<Db>, id: &str) -> Processed<()> {
    loop {
        let done = deliver(inbox, id).await;
        match (Settlement::of(&done), done) {
            (Settlement::Ack, Ok(Processed::First(_))) => return Processed::First(()),
            (Settlement::Ack, Ok(Processed::Duplicate)) => return Processed::Duplicate,
            (Settlement::Ack, Ok(Processed::Parked)) => return Processed::Parked,
            (Settlement::Ack, done) => panic!("{done:?}"),
            _ => a_moment().await,
        }
    }
}

async fn letters(inbox: &Inbox<Db>) -> usize {
    inbox.dead_letters("billing", None, 10).await.unwrap().len()
}

#[tokio::test]
async fn the_inbox_looks_up_whether_a_lost_commit_took_effect() {
    let (db, proxy, inbox) = start().await;
    proxy.on(COMMIT, Action::CutAnswer);
    assert!(matches!(
        deliver(&inbox, "m1").await,
        Ok(Processed::First(_))
    ));
    assert_eq!(settle(&inbox, "m1").await, Processed::Duplicate);
    proxy.on(COMMIT, Action::Cut);
    let lost = deliver(&inbox, "m2").await;
    assert!(matches!(lost, Err(ProcessError::Store(_))), "{lost:?}");
    assert_eq!(settle(&inbox, "m2").await, Processed::First(()));
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_batch_looks_up_whether_its_lost_commit_took_effect() {
    let (db, proxy, inbox) = start().await;
    for (action, round, ways) in [(Action::CutAnswer, "a", 3), (Action::Cut, "b", 6)] {
        let ids = ["m1", "fails", "m2"].map(|id| format!("{id}{round}"));
        let mut batch = inbox
            .process_batch("billing", ids.iter().map(Message::new))
            .unwrap();
        let commit = proxy.on(COMMIT, action);
        let mut handed = 0;
        loop {
            let next = batch.next().await.unwrap();
            let Some(mut message) = next else { break };
            handed += 1;
            pay(&mut message.tx()).await.unwrap();
            if message.index() == 1 {
                message.fail("no ledger").await.unwrap();
            } else {
                message.done();
            }
        }
        assert!(commit.is_reached());
        let told = batch.finish().await.unwrap();
        for (id, told) in ids.iter().zip(told) {
            let now = settle(&inbox, id).await;
            match told {
                MessageOutcome::First => assert_eq!(now, Processed::Duplicate),
                MessageOutcome::Failed { attempts: 1, .. } => assert_eq!(now, Processed::First(())),
                told => assert_eq!(
                    (told, now),
                    (MessageOutcome::InFlight, Processed::First(()))
                ),
            }
        }
        assert!((3..=ways).contains(&handed), "{handed}");
    }
    assert_eq!(db.payments().await, 6);
}

/// Cuts at each statement until the message is parked, before and after the statement runs.
#[tokio::test]
async fn no_message_is_parked_without_its_dead_letter() {
    let (db, proxy, inbox) = start().await;
    let mut parked = 0;
    for (delivery, ends_it) in [(1, false), (1, true), (2, false)] {
        for action in [Action::Cut, Action::CutAnswer] {
            for number in 1.. {
                let id = format!("m-{delivery}-{ends_it}-{action:?}-{number}");
                let trap = proxy.on_nth(number, "", action);
                let done: Done = match ends_it {
                    true => {
                        let handle = async |tx: &mut idem_axum::Tx<'_, Db>| {
                            sqlx::raw_sql(COMMITS).execute(&mut **tx).await?;
                            Ok(1)
                        };
                        inbox.process("billing", id.as_str(), handle).await
                    }
                    false => {
                        let _once = fail(&inbox, &id, 1).await;
                        let failed = fail(&inbox, &id, delivery).await;
                        failed.map_err(|_| ProcessError::Unknowable(""))
                    }
                };
                let is_over = !trap.is_reached();
                proxy.disarm();
                // What failed is acknowledged only when it is handled, or its letter is there.
                let now = settle(&inbox, &id).await;
                let letter = inbox.dead_letter("billing", &id).await.unwrap();
                assert_eq!(
                    now == Processed::Parked,
                    letter.is_some(),
                    "{id}: {done:?} {now:?}"
                );
                parked += i32::from(now == Processed::Parked);
                if is_over {
                    break;
                }
            }
        }
    }
    assert!(parked > 6, "{parked}");
    let open = db.pool_of(1).await;
    let text = format!("select count(*) from {RECORD} where status = 410");
    let records: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
        .fetch_one(&open)
        .await
        .unwrap();
    let text = format!("select count(*) from {LETTER} where parked_at is not null");
    let kept: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
        .fetch_one(&open)
        .await
        .unwrap();
    assert_eq!(records, kept);
    assert!(letters(&inbox).await > 0);
}

/// An operator is not told that nothing changed where that is unknown.
#[tokio::test]
async fn a_lost_commit_of_a_redrive_or_discard_is_an_unknown_outcome() {
    let (_db, proxy, inbox) = start().await;
    for (action, takes_effect) in [(Action::CutAnswer, true), (Action::Cut, false)] {
        let id = format!("{action:?}");
        for delivery in [1, 2] {
            let failed = fail(&inbox, &id, delivery).await;
            assert!(failed.is_err(), "{failed:?}");
        }
        let parked = inbox.dead_letter("billing", &id).await.unwrap().unwrap();

        let commit = proxy.on(COMMIT, action);
        let redriven = inbox.redrive(&parked).await;
        assert!(commit.is_reached());
        assert!(
            matches!(redriven, Err(Error::OutcomeUnknown)),
            "{redriven:?}"
        );
        let letter = inbox.dead_letter("billing", &id).await.unwrap().unwrap();
        assert_eq!(letter.redriven_at.is_some(), takes_effect, "{id}");

        let commit = proxy.on(COMMIT, action);
        let discarded = inbox.discard(&letter).await;
        assert!(commit.is_reached());
        assert!(
            matches!(discarded, Err(Error::OutcomeUnknown)),
            "{discarded:?}"
        );
        let letter = inbox.dead_letter("billing", &id).await.unwrap();
        assert_eq!(letter.is_none(), takes_effect, "{id}");
    }
}
