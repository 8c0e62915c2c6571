//! What one request costs, counted: messages, statements, transactions, written bytes, processor time.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Pool};

use super::filled::{copy_response, filled, settle, table_of};
use super::measured::{Databases, Measured};
use super::{DATABASE, Db, LOG_BYTES, NAME, TRANSACTION_IDS, TestDb, server_cpu, size_of};
use crate::links::{Route, Sent};
use crate::nodes::Node;
use crate::options::Plan;
use crate::report::{CountedTable, Counts, median};
use crate::sides::Side;
use crate::turn::{Length, milliseconds};

/// Counts for the sides of both tables, in two passes over requests that follow each other.
///
/// The first pass goes through a counting proxy, and the second does not, so that the proxy costs no time. Both
/// have few stored responses: after a checkpoint Postgres logs each page in full once, and the warm-up
/// has touched them all.
pub(crate) async fn counted(plan: &Plan) -> Vec<CountedTable> {
    let plan = &Plan {
        stored: (2 * (WARM_UP + WINDOWS * REQUESTS)) as u64,
        known: plan.known.min(100),
        pool_size: 1,
        ..plan.clone()
    };
    let databases = Databases::fill(plan.stored).await;
    let mut sent = match DATABASE.is_server() {
        true => sent(&Measured::start(plan, Route::Counted, &databases).await).await,
        false => Vec::new(),
    }
    .into_iter();
    let measured = Measured::start(plan, Route::Direct, &databases).await;
    let counter = Counter::start().await;
    settle(&counter.pool).await;
    let mut tables = Vec::new();
    for comparison in [&measured.first_writes, &measured.replays] {
        let mut rows = Vec::new();
        for side in &comparison.sides {
            let mut counts = counter.costs(side).await;
            if let Some(sent) = sent.next() {
                counts.messages = Some(sent.messages);
                counts.statements = Some(sent.statements);
            }
            counts.bytes_per_key = match (&*side.name, tables.is_empty()) {
                ("hand-written", true) => Some(bytes_per_key(Node::ByHand).await),
                ("Idem", true) => Some(bytes_per_key(Node::Idem).await),
                _ => None,
            };
            rows.push(counts);
        }
        tables.push(CountedTable {
            database: NAME.to_owned(),
            what: comparison.what.clone(),
            rows,
        });
    }
    tables
}

/// What each side has sent to its database for a request, side after side.
async fn sent(measured: &Measured) -> Vec<Sent> {
    let Measured {
        first_writes,
        replays,
        ..
    } = measured;
    let mut all = Vec::new();
    for side in first_writes.sides.iter().chain(&replays.sides) {
        side.turn(1, Length::Times(WARM_UP)).await;
        let link = side.node.as_ref().map(|node| &node.link);
        let _warm_up = link.and_then(|link| link.sent(1));
        side.turn(1, Length::Times(REQUESTS)).await;
        all.extend(link.and_then(|link| link.sent(REQUESTS)));
    }
    all
}

/// Reads the counters of the whole server, which serves nobody else meanwhile.
struct Counter {
    pool: Pool<Db>,
    _db: TestDb,
}

/// Counters at one time.
#[derive(Clone, Copy)]
struct Reading {
    transaction_ids: Option<i64>,
    log_bytes: Option<i64>,
    server_cpu: Option<Duration>,
    app_cpu: Option<Duration>,
}

impl Counter {
    async fn start() -> Self {
        let db = TestDb::new().await;
        let pool = db.pool_of(1).await;
        Self { pool, _db: db }
    }

    /// The medians over some windows: in one of them the server may have looked after itself.
    async fn costs(&self, side: &Side) -> Counts {
        side.turn(1, Length::Times(WARM_UP)).await;
        let mut readings = vec![self.read(side).await];
        for _ in 0..WINDOWS {
            side.turn(1, Length::Times(REQUESTS)).await;
            readings.push(self.read(side).await);
        }
        let each = |of: fn(Reading) -> Option<f64>| {
            let windows = readings.windows(2);
            let differences = windows.map(|pair| Some(of(pair[1])? - of(pair[0])?));
            let differences: Option<Vec<_>> = differences.collect();
            differences.map(|all| median(all) / REQUESTS as f64)
        };
        Counts {
            side: side.name.clone(),
            transaction_ids: each(|one| one.transaction_ids.map(|ids| ids as f64)),
            log_bytes: each(|one| one.log_bytes.map(|bytes| bytes as f64)),
            server_cpu_ms: each(|one| one.server_cpu.map(milliseconds)),
            app_cpu_ms: each(|one| one.app_cpu.map(milliseconds)),
            ..Counts::default()
        }
    }

    async fn read(&self, side: &Side) -> Reading {
        Reading {
            transaction_ids: self.number(TRANSACTION_IDS).await,
            log_bytes: self.number(LOG_BYTES).await,
            server_cpu: server_cpu().await,
            app_cpu: side.node.as_ref().and_then(|node| node.cpu()),
        }
    }

    async fn number(&self, select: &'static str) -> Option<i64> {
        match select {
            "" => None,
            _ => Some(number(&self.pool, select.to_owned()).await),
        }
    }
}

/// What a stored response adds to the table and its indexes.
async fn bytes_per_key(node: Node) -> f64 {
    let (some, more) = (1_000, 41_000);
    let db = filled(node, some, false).await;
    let pool = db.pool_of(1).await;
    let before = number(&pool, size_of(table_of(node))).await;
    copy_response(node, &pool, some..more).await;
    settle(&pool).await;
    let after = number(&pool, size_of(table_of(node))).await;
    pool.close().await;
    (after - before) as f64 / (more - some) as f64
}

/// The number that a statement selects.
pub(crate) async fn number(pool: &Pool<Db>, select: String) -> i64 {
    let select = sqlx::query_scalar(AssertSqlSafe(select));
    select.fetch_one(pool).await.unwrap()
}

const WARM_UP: usize = 200;

/// How often the counters are read.
const WINDOWS: usize = 10;

/// How many requests come between two readings.
const REQUESTS: usize = 20;
