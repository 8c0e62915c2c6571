//! A database and a broker, and the effects of a worker's messages.

use std::collections::BTreeMap;

use idem_tests::process::{Process, start_worker, worker};
use sqlx::{Pool, QueryBuilder};
use tokio::sync::SemaphorePermit;
use tokio::time::{Duration, Instant, sleep};

use super::{Broker, Db, FEATURE, TestDb, queue};

/// A database with the tables of the example, and a broker.
pub struct Shop {
    pub db: TestDb,
    pub pool: Pool<Db>,
    pub broker: Broker,
    _turn: SemaphorePermit<'static>,
}

impl Shop {
    pub async fn open() -> Self {
        Self::with(Broker::start().await).await
    }

    pub async fn with(broker: Broker) -> Self {
        let turn = crate::TURNS.acquire().await.unwrap();
        let db = TestDb::empty().await;
        // Whatever it is told, it makes the tables first.
        let mut tables = worker(FEATURE, &db.url(), "embedded");
        let made = tables.arg("dead-letters").output().await.unwrap();
        assert!(made.status.success(), "{made:?}");
        let pool = db.pool().await;
        Self {
            db,
            pool,
            broker,
            _turn: turn,
        }
    }

    /// Starts a worker, and waits until it consumes.
    pub async fn worker(&self, options: &[&str]) -> Process {
        start_worker(FEATURE, &self.db.url(), &self.broker.url(), options).await
    }

    /// Runs a command of the worker; returns its output, or its standard error if it fails.
    pub async fn command(&self, command: &[&str]) -> Result<String, String> {
        let mut worker = worker(FEATURE, &self.db.url(), &self.broker.url());
        let output = worker.args(command).output().await.unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }

    /// Puts events of these payments into the outbox, as the app does in its transactions.
    pub async fn pay(&self, payments: impl IntoIterator<Item = u32>) -> Vec<String> {
        let payments: Vec<_> = payments.into_iter().collect();
        QueryBuilder::<Db>::new("insert into event (message_id, tenant, kind, payload) ")
            .push_values(&payments, |mut row, payment| {
                row.push_bind(message_id(*payment))
                    .push("'acme', 'payment.captured'")
                    .push_bind(payload(*payment));
            })
            .build()
            .execute(&self.pool)
            .await
            .unwrap();
        payments.into_iter().map(message_id).collect()
    }

    /// Delivers a message to both consumers once more, as brokers do.
    pub async fn redeliver(&self, payment: u32) {
        self.publish(&message_id(payment), &payload(payment)).await;
    }

    pub async fn publish(&self, id: &str, payload: &str) {
        queue::publish(self, id, payload).await;
    }

    /// The effects of all messages so far.
    pub async fn effects(&self) -> Effects {
        let count = |rows: Vec<(String,)>| {
            let mut counts = BTreeMap::new();
            for (id,) in rows {
                *counts.entry(id).or_default() += 1;
            }
            counts
        };
        let ledger = sqlx::query_as("select message_id from ledger_entry");
        let receipts = sqlx::query_as("select message_id from receipt");
        Effects {
            ledger: count(ledger.fetch_all(&self.pool).await.unwrap()),
            receipts: count(receipts.fetch_all(&self.pool).await.unwrap()),
        }
    }

    /// Waits until each message took effect and is acknowledged, and checks that it took effect once.
    pub async fn each_takes_effect_once(&self, ids: &[String]) {
        self.is_drained(ids).await;
        assert_eq!(self.effects().await.violations(ids), Vec::<String>::new());
    }

    /// Waits until each of these messages took effect, and every message is acknowledged.
    pub async fn is_drained(&self, ids: &[String]) {
        until("the messages have effects", async || {
            self.effects().await.are_of(ids)
        })
        .await;
        until("all events have left the outbox", async || {
            self.count("select count(*) from event").await == 0
        })
        .await;
        for consumer in CONSUMERS {
            until("all messages are acknowledged", async || {
                queue::left(self, consumer).await == 0
            })
            .await;
        }
    }

    pub async fn count(&self, query: &'static str) -> i64 {
        let count = sqlx::query_scalar(query).fetch_one(&self.pool);
        count.await.unwrap()
    }
}

pub const CONSUMERS: [&str; 2] = ["ledger", "receipts"];

/// How many rows each message has in each table.
#[derive(Debug)]
pub struct Effects {
    ledger: BTreeMap<String, usize>,
    receipts: BTreeMap<String, usize>,
}

impl Effects {
    /// The number of effects: two of each message in the end.
    pub fn count(&self) -> usize {
        self.ledger.len() + self.receipts.len()
    }

    pub fn ids(&self) -> Vec<String> {
        self.ledger.keys().cloned().collect()
    }

    pub fn of(&self, id: &str) -> (usize, usize) {
        let rows = |table: &BTreeMap<String, usize>| table.get(id).copied().unwrap_or_default();
        (rows(&self.ledger), rows(&self.receipts))
    }

    fn are_of(&self, ids: &[String]) -> bool {
        ids.iter().all(|id| {
            let (entries, receipts) = self.of(id);
            entries >= 2 && receipts >= 1
        })
    }

    /// Effects that are missing, doubled or unexpected.
    fn violations(&self, ids: &[String]) -> Vec<String> {
        let all = ids
            .iter()
            .chain(self.ledger.keys())
            .chain(self.receipts.keys());
        let mut wrong: Vec<_> = all
            .filter(|id| self.of(id) != (2, 1) || !ids.contains(id))
            .map(|id| format!("{id}: {:?}", self.of(id)))
            .collect();
        wrong.sort();
        wrong.dedup();
        wrong
    }
}

/// Polls until the condition holds.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !is_so().await {
        assert!(Instant::now() < end, "not within {PATIENCE:?}: {what}");
        // Each look costs queries that the worker's would have to wait for.
        sleep(Duration::from_millis(40)).await;
    }
}

pub fn message_id(payment: u32) -> String {
    format!("m{payment}")
}

fn payload(payment: u32) -> String {
    format!(
        r#"{{"kind": "payment.captured", "tenant": "acme", "payment": {payment},
            "amount": 100, "currency": "EUR"}}"#
    )
}

const PATIENCE: Duration = Duration::from_secs(40);
