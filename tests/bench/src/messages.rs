//! Consumers that handle messages: with the inbox, one by one and in batches, and without it.

use std::sync::Arc;
use std::time::Instant;

use idem_axum::{Idempotency, Inbox, Message, MessageOutcome, Processed};
use sqlx::{Database, Pool};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::{Db, INSERT_PAYMENT, TestDb};
use crate::options::Plan;
use crate::sides::{Side, Sides};
use crate::turn::{Length, Turn};

/// The consumers of both sides, each with its own database.
pub(crate) struct Consumers {
    inbox: Inbox<Db>,
    bare: Pool<Db>,
    _databases: [TestDb; 2],
}

impl Consumers {
    pub(crate) async fn start(plan: &Plan) -> Self {
        let databases = [TestDb::new().await, TestDb::new().await];
        let [inbox, bare] = &databases;
        let idem = Idempotency::new(inbox.pool_of(plan.pool_size).await);
        idem.migrate().await.unwrap();
        Self {
            inbox: Inbox::new(idem),
            bare: bare.pool_of(plan.pool_size).await,
            _databases: databases,
        }
    }

    /// Without the inbox each message has its own transaction; with the inbox `together` messages
    /// share one.
    pub(crate) fn sides(&self, together: usize) -> Sides {
        let (inbox, bare) = (self.inbox.clone(), self.bare.clone());
        let bare = Side::new("bare", move |at_once, length| {
            let bare = bare.clone();
            turn(at_once, 1, length, move || handle_bare(bare.clone()))
        });
        let inbox = Side::new("inbox", move |at_once, length| {
            let inbox = inbox.clone();
            turn(at_once, together, length, move || {
                process(inbox.clone(), together)
            })
        });
        let what = match together {
            1 => "messages one by one".to_owned(),
            _ => format!("messages, {together} in one transaction"),
        };
        Sides {
            what,
            references: 1,
            sides: vec![bare, inbox],
        }
    }
}

async fn process(inbox: Inbox<Db>, together: usize) {
    match together {
        1 => process_one(&inbox).await,
        _ => process_batch(&inbox, together).await,
    }
}

async fn process_one(inbox: &Inbox<Db>) {
    let id = Uuid::new_v4().to_string();
    let done = inbox
        .process("billing", &id, async |tx| pay(tx).await)
        .await;
    assert!(matches!(done, Ok(Processed::First(()))), "{done:?}");
}

async fn process_batch(inbox: &Inbox<Db>, together: usize) {
    let polled = (0..together).map(|_| Message::new(Uuid::new_v4().to_string()));
    let mut batch = inbox.process_batch("billing", polled).unwrap();
    while let Some(mut message) = batch.next().await.unwrap() {
        pay(&mut message.tx()).await.unwrap();
        message.done();
    }
    let outcomes = batch.finish().await.unwrap();
    assert!(outcomes.iter().all(|one| *one == MessageOutcome::First));
}

#[expect(
    clippy::disallowed_methods,
    reason = "the bare transaction is what the inbox is compared with"
)]
async fn handle_bare(pool: Pool<Db>) {
    let mut tx = pool.begin().await.unwrap();
    pay(&mut tx).await.unwrap();
    tx.commit().await.unwrap();
}

async fn pay(conn: &mut <Db as Database>::Connection) -> sqlx::Result<()> {
    let insert = sqlx::query_scalar::<_, i64>(INSERT_PAYMENT);
    let insert = insert.bind("acme").bind(1250_i64).bind("order 17");
    insert.fetch_one(conn).await.map(|_| ())
}

/// Keeps `at_once` workers busy for one turn; each step handles `together` messages.
async fn turn<F>(
    at_once: usize,
    together: usize,
    length: Length,
    step: impl Fn() -> F + Send + Sync + 'static,
) -> Turn
where
    F: Future<Output = ()> + Send,
{
    let start = Instant::now();
    let step = Arc::new(step);
    let mut workers = JoinSet::new();
    for _ in 0..at_once {
        let step = Arc::clone(&step);
        workers.spawn(async move {
            let mut latencies = Vec::new();
            while length.goes_on(start, latencies.len()) {
                let begun = Instant::now();
                step().await;
                latencies.push(begun.elapsed());
            }
            latencies
        });
    }
    let latencies = workers.join_all().await.concat();
    Turn::of(latencies, start.elapsed(), together)
}
