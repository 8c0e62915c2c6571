//! What one request costs, counted: messages, statements, transactions, written bytes, processor time.

use std::time::Duration;

use sqlx::{AssertSqlSafe, Pool};

use super::filled::{copy_response, filled, settle, table_of};
use super::measured::Measured;
use super::{Db, LOG_BYTES, NAME, TRANSACTION_IDS, TestDb, server_cpu, size_of};
use crate::links::Route;
use crate::nodes::Node;
use crate::options::Plan;
use crate::report::{CountedTable, Counts};
use crate::sides::Side;
use crate::turn::{Length, milliseconds};

/// Counts for the sides of both tables, in two passes over requests that follow each other.
///
/// The first pass goes through a counting proxy, and the second does not, so that the proxy costs no time. Both
/// have few stored responses: after a checkpoint Postgres logs each page in full once, and the warm-up
/// has touched them all.
pub(crate) async fn counted(plan: &Plan) -> Vec<CountedTable> {
    let plan = &Plan {
        stored: 1_000.max(2 * (WARM_UP + REQUESTS) as u64),
        known: plan.known.min(100),
        pool_size: 1,
        ..plan.clone()
    };
    let proxied = Measured::start(plan, Route::Counted).await;
    let direct = Measured::start(plan, Route::Direct).await;
    let counter = Counter::start().await;
    let mut tables = Vec::new();
    let both = [
        (&proxied.first_writes, &direct.first_writes),
        (&proxied.replays, &direct.replays),
    ];
    for (proxied, direct) in both {
        let mut rows = Vec::new();
        for (proxied, direct) in proxied.sides.iter().zip(&direct.sides) {
            let mut counts = count_sent(proxied).await;
            counter.count_costs(direct, &mut counts).await;
            counts.bytes_per_key = match (direct.name, tables.is_empty()) {
                ("hand-written", true) => Some(bytes_per_key(Node::ByHand).await),
                ("Idem", true) => Some(bytes_per_key(Node::Idem).await),
                _ => None,
            };
            rows.push(counts);
        }
        tables.push(CountedTable {
            database: NAME,
            what: direct.what.clone(),
            rows,
        });
    }
    tables
}

async fn count_sent(side: &Side) -> Counts {
    side.turn(1, Length::Times(WARM_UP)).await;
    let node = side.node.as_ref().unwrap();
    node.link.sent();
    side.turn(1, Length::Times(REQUESTS)).await;
    let sent = node.link.sent();
    let each = |count: usize| count as f64 / REQUESTS as f64;
    Counts {
        side: side.name,
        messages: sent.map(|sent| each(sent.messages)),
        round_trips: sent.map(|sent| each(sent.round_trips)),
        statements: sent.map(|sent| each(sent.statements)),
        ..Counts::default()
    }
}

/// Reads the counters of the whole server, which serves nobody else.
struct Counter {
    pool: Pool<Db>,
    _db: TestDb,
}

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

    async fn count_costs(&self, side: &Side, counts: &mut Counts) {
        settle(&self.pool).await;
        side.turn(1, Length::Times(WARM_UP)).await;
        let before = self.read(side).await;
        side.turn(1, Length::Times(REQUESTS)).await;
        let after = self.read(side).await;
        let each =
            |of: fn(Reading) -> Option<f64>| Some((of(after)? - of(before)?) / REQUESTS as f64);
        counts.transaction_ids = each(|one| one.transaction_ids.map(|ids| ids as f64));
        counts.log_bytes = each(|one| one.log_bytes.map(|bytes| bytes as f64));
        counts.server_cpu_ms = each(|one| one.server_cpu.map(milliseconds));
        counts.app_cpu_ms = each(|one| one.app_cpu.map(milliseconds));
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
    let db = filled(node, some).await;
    let pool = db.pool_of(1).await;
    let before = number(&pool, size_of(table_of(node))).await;
    copy_response(node, &pool, some..more).await;
    settle(&pool).await;
    let after = number(&pool, size_of(table_of(node))).await;
    pool.close().await;
    (after - before) as f64 / (more - some) as f64
}

async fn number(pool: &Pool<Db>, select: String) -> i64 {
    let select = sqlx::query_scalar(AssertSqlSafe(select));
    select.fetch_one(pool).await.unwrap()
}

const WARM_UP: usize = 200;

const REQUESTS: usize = 200;
