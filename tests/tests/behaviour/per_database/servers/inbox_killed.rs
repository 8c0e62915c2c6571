//! Connections are lost at every statement and killed at random: effects and records agree.

use std::collections::BTreeMap;

use idem_axum::Tx;
use idem_axum::engine::{ConsumerPolicy, Inbox, Message, MessageOutcome, Processed, Settlement};
use idem_tests::a_moment;
use idem_tests::proxy::{Action, Proxy};
use sqlx::{AssertSqlSafe, Pool};
use tokio::task::JoinSet;

use super::support::app::engine;
use super::{Db, INSERT_PAYMENT, KILL_OTHERS, RECORD, TestDb, idem_on, pool_at};

async fn node(url: &str) -> Inbox<Db> {
    let idem = idem_on(pool_at(url, 3).await).build();
    let policy = ConsumerPolicy::default().max_attempts(10_000);
    let inbox = Inbox::builder(idem).consumer("billing", policy);
    inbox.build().unwrap()
}

async fn start() -> (TestDb, Pool<Db>) {
    let db = TestDb::new().await;
    let pool = engine(&db).await.pool().clone();
    (db, pool)
}

async fn pay_for(tx: &mut Tx<'_, Db>, id: &str) -> sqlx::Result<i64> {
    let insert = sqlx::query_scalar(INSERT_PAYMENT);
    let insert = insert.bind("acme").bind(5_i64).bind(id);
    insert.fetch_one(&mut **tx).await
}

/// Delivers it until it is acknowledged.
async fn settle(inbox: &Inbox<Db>, id: &str) -> bool {
    loop {
        let done = inbox.process("billing", id, async |tx: &mut Tx<'_, Db>| {
            pay_for(tx, id).await
        });
        match done.await {
            Ok(Processed::First(_)) => return true,
            Ok(Processed::Duplicate) => return false,
            Ok(Processed::Parked) => panic!("{id} is parked"),
            Ok(Processed::InFlight) | Err(_) => a_moment().await,
        }
    }
}

/// The outcomes, if the call returned them.
async fn handle(
    inbox: &Inbox<Db>,
    ids: &[String],
    delivery: u64,
    fails: usize,
) -> Option<Vec<MessageOutcome>> {
    let messages = ids.iter().map(|id| Message::new(id).delivery(delivery));
    let mut batch = inbox.process_batch("billing", messages).unwrap();
    while let Ok(Some(mut message)) = batch.next().await {
        let index = message.index();
        let paid = pay_for(&mut message.tx(), &ids[index]).await;
        if paid.is_err() || index == fails {
            // The next call says so too.
            drop(message.fail("no ledger").await);
        } else {
            message.done();
        }
    }
    batch.finish().await.ok()
}

/// Checks that each message took effect once and has a record.
async fn count(pool: &Pool<Db>, ids: usize) {
    let once = "select reference, count(*) from payment group by reference";
    let paid: Vec<(String, i64)> = sqlx::query_as(once).fetch_all(pool).await.unwrap();
    let paid: BTreeMap<_, _> = paid.into_iter().collect();
    let twice: Vec<_> = paid.iter().filter(|(_, count)| **count != 1).collect();
    assert_eq!((paid.len(), twice), (ids, Vec::new()));
    let records = AssertSqlSafe(format!("select count(*) from {RECORD} where status = 200"));
    let records: i64 = sqlx::query_scalar(records).fetch_one(pool).await.unwrap();
    assert_eq!(usize::try_from(records), Ok(ids));
}

#[tokio::test]
async fn a_batch_that_loses_its_connection_at_any_statement_loses_no_message() {
    let (db, pool) = start().await;
    let proxy = Proxy::to(&db.url()).await;
    let inbox = node(proxy.url()).await;
    let mut all = 0;
    for action in [Action::Cut, Action::CutAnswer, Action::CutRunning] {
        for number in 1.. {
            let ids = ["m1", "fails", "m2"].map(|id| format!("{id}-{action:?}-{number}"));
            let trap = proxy.on_nth(number, "", action);
            let told = handle(&inbox, &ids, 1, 1).await;
            let is_over = !trap.is_reached();
            proxy.disarm();
            for (index, id) in ids.iter().enumerate() {
                let is_first = settle(&inbox, id).await;
                let told = told.as_ref().map(|told| told[index].settlement());
                assert!(!is_first || told != Some(Settlement::Ack), "{id}");
                all += 1;
            }
            if is_over {
                break;
            }
        }
    }
    count(&pool, all).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inbox_handles_each_message_once_while_its_connections_are_killed() {
    const MESSAGES: usize = 60;
    const ROUNDS: usize = 60;
    let (db, pool) = start().await;
    let nodes = [node(&db.url()).await, node(&db.url()).await];
    let mut workers = JoinSet::new();
    for number in 0..4 {
        let (inbox, pool) = (nodes[number % 2].clone(), pool.clone());
        workers.spawn(async move {
            let mut firsts = 0_usize;
            for round in 0..ROUNDS {
                let ids = (0..7).map(|step| (round * 5 + step * (1 + number)) % MESSAGES);
                let ids: Vec<_> = ids.map(|id| format!("m{id}")).collect();
                let delivery = 1 + (round % 4 == 3) as u64;
                if round % 3 == number % 3 {
                    let handle = async |tx: &mut Tx<'_, Db>| pay_for(tx, &ids[0]).await;
                    let message = Message::new(&ids[0]).delivery(delivery);
                    let done = inbox.process("billing", message, handle).await;
                    firsts += usize::from(matches!(done, Ok(Processed::First(_))));
                } else {
                    let told = handle(&inbox, &ids, delivery, round % 11).await;
                    let told = told.into_iter().flatten();
                    firsts += told.filter(|told| *told == MessageOutcome::First).count();
                }
                if (round + number) % 10 == 0 {
                    kill(&pool).await;
                }
            }
            firsts
        });
    }
    let told: usize = workers.join_all().await.into_iter().sum();
    assert!(told > 0);
    for number in 0..MESSAGES {
        settle(&nodes[0], &format!("m{number}")).await;
    }
    count(&pool, MESSAGES).await;
    // No lock is left behind.
    for number in 0..MESSAGES {
        assert!(!settle(&nodes[1], &format!("m{number}")).await);
    }
}

async fn kill(pool: &Pool<Db>) {
    let ids: Vec<i64> = sqlx::query_scalar(KILL_OTHERS[0])
        .fetch_all(pool)
        .await
        .unwrap_or_default();
    for id in ids.into_iter().filter(|_| fastrand::bool()) {
        let kill = AssertSqlSafe(KILL_OTHERS[1].replace('?', &id.to_string()));
        drop(sqlx::raw_sql(kill).execute(pool).await);
    }
}
