//! Messages are delivered to workers on several primaries at once.

use std::sync::Arc;

use idem_axum::Idempotency;
use idem_axum::engine::{Inbox, Message, MessageOutcome, ProcessError, Processed};
use idem_tests::a_moment;
use sqlx::mysql::MySqlPoolOptions;
use sqlx::{MySql, MySqlPool};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, NODES};

const MESSAGES: usize = 60;
/// The messages of one batch.
const BATCH: usize = 7;

fn ids(way: &str) -> Vec<String> {
    (0..MESSAGES).map(|n| format!("{way}-{n}")).collect()
}

async fn write(tx: &mut idem_axum::Tx<'_, MySql>, id: &str) -> sqlx::Result<()> {
    let insert = sqlx::query("insert into effect (message) values (?)");
    insert.bind(id).execute(&mut **tx).await.map(|_| ())
}

/// A worker per mode and node, each with all messages; returns how many it was the first to handle.
async fn in_batches(inbox: Inbox<MySql>, start: Arc<Barrier>) -> usize {
    let ids = ids("batch");
    let mut left: Vec<&String> = ids.iter().collect();
    let mut firsts = 0;
    start.wait().await;
    while !left.is_empty() {
        let polled: Vec<_> = left.drain(..BATCH.min(left.len())).collect();
        let messages = polled.iter().map(|id| Message::new(*id));
        let mut batch = inbox.process_batch("billing", messages).unwrap();
        while let Some(mut message) = batch.next().await.unwrap() {
            let id = polled[message.index()];
            write(&mut message.tx(), id).await.unwrap();
            message.done();
        }
        for (outcome, id) in batch.finish().await.unwrap().into_iter().zip(polled) {
            match outcome {
                MessageOutcome::First => firsts += 1,
                MessageOutcome::Duplicate => {}
                MessageOutcome::InFlight => left.push(id),
                outcome => panic!("{outcome:?}"),
            }
        }
    }
    firsts
}

async fn one_by_one(inbox: Inbox<MySql>, start: Arc<Barrier>) -> usize {
    let mut firsts = 0;
    start.wait().await;
    for id in ids("single") {
        loop {
            let done = inbox
                .process("billing", &id, async |tx| write(tx, &id).await)
                .await;
            match done {
                Ok(Processed::First(())) => firsts += 1,
                Ok(Processed::Duplicate) => {}
                // Another node's transaction was certified first.
                Ok(Processed::InFlight) | Err(ProcessError::Store(_)) => {
                    a_moment().await;
                    continue;
                }
                done => panic!("{done:?}"),
            }
            break;
        }
    }
    firsts
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_on_three_primaries_handle_each_message_once() {
    let cluster = Cluster::lend().await;
    let table = "create table effect (id bigint auto_increment primary key, \
        message varchar(40) not null)";
    let mut conn = cluster.connect(0).await;
    sqlx::raw_sql(table).execute(&mut conn).await.unwrap();
    let (mut batches, mut singles) = (JoinSet::new(), JoinSet::new());
    let start = Arc::new(Barrier::new(2 * NODES.len()));
    for node in NODES {
        let pool: MySqlPool = MySqlPoolOptions::new()
            .connect(&cluster.url(node))
            .await
            .unwrap();
        let idem = Idempotency::new(pool);
        idem.migrate().await.unwrap();
        let inbox = Inbox::new(idem);
        batches.spawn(in_batches(inbox.clone(), Arc::clone(&start)));
        singles.spawn(one_by_one(inbox, Arc::clone(&start)));
    }
    for workers in [batches, singles] {
        let firsts: usize = workers.join_all().await.into_iter().sum();
        assert_eq!(firsts, MESSAGES);
    }
    let count = "select count(*), count(distinct message), \
        (select count(*) from idem_record), (select count(*) from idem_dead_letter) from effect";
    for node in NODES {
        let mut conn = cluster.connect(node).await;
        let counted: (i64, i64, i64, i64) =
            sqlx::query_as(count).fetch_one(&mut conn).await.unwrap();
        let all = 2 * i64::try_from(MESSAGES).unwrap();
        assert_eq!(counted, (all, all, all, 0), "on node {node}");
    }
}
