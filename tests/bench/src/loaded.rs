//! Several nodes over one server under a load that does not wait, and what became of every key.

use std::sync::Arc;
use std::time::{Duration, Instant};

use idem_tests::process::cpu_of;
use sqlx::{AssertSqlSafe, Pool};
use tokio::time::sleep_until;

use super::counted::number;
use super::filled::table_of;
use super::measured::Nodes;
use super::{Db, LOG_BYTES, NAME, server_cpu};
use crate::nodes::{Node, Running};
use crate::open_files;
use crate::options::{Load, Plan};
use crate::report::{Cores, LoadRow, LoadTable};
use crate::traffic::{Clients, Heard, Schedule};

/// A row for each rate, each on new nodes and a new database.
pub(crate) async fn loaded(load: &Load, plan: &Plan) -> LoadTable {
    open_files::raise();
    let mut rows = Vec::new();
    for rate in &load.rates {
        rows.push(row(*rate, load, plan).await);
    }
    LoadTable {
        database: NAME.to_owned(),
        app: load.app.name(),
        nodes: load.nodes,
        pool_size: plan.pool_size,
        max_attempts: plan.max_attempts,
        seconds: load.time.as_secs_f64(),
        rows,
    }
}

async fn row(per_second: u32, load: &Load, plan: &Plan) -> LoadRow {
    let mut nodes = Nodes::new(plan);
    let running = nodes.start_together(load.app, load.nodes).await;
    let pool = nodes.databases[0].pool_of(1).await;
    let last_payment = number(&pool, LAST_PAYMENT.to_owned()).await;
    let schedule = Schedule {
        per_second,
        warm_up: WARM_UP,
        time: load.time,
    };
    let addresses = running.iter().map(|node| node.address);
    let begin = Instant::now();
    let clients = Clients::of(addresses, open_files::most_open(), schedule);
    let heard = tokio::spawn(clients.load());
    sleep_until((begin + schedule.warm_up).into()).await;
    let before = Reading::take(&running, &pool).await;
    sleep_until((begin + schedule.end()).into()).await;
    let after = Reading::take(&running, &pool).await;
    let heard = heard.await.unwrap();
    // Requests that nobody waits for any more may still run, and would go on to pay.
    drop(running);
    let violations = violations(load.app, &pool, last_payment, &heard).await;
    pool.close().await;
    let log = after.log_bytes.zip(before.log_bytes);
    let took = after.at - before.at;
    let log = log.map(|(after, before)| (after - before) as f64 / took.as_secs_f64());
    LoadRow::of(
        &schedule,
        heard,
        after.cores_since(&before),
        log,
        violations,
    )
}

/// For how long each process has kept a processor busy, at one time.
struct Reading {
    at: Instant,
    client: Option<Duration>,
    nodes: Vec<Option<Duration>>,
    database: Option<Duration>,
    log_bytes: Option<i64>,
}

impl Reading {
    async fn take(nodes: &[Arc<Running>], pool: &Pool<Db>) -> Self {
        let log_bytes = match LOG_BYTES {
            "" => None,
            select => Some(number(pool, select.to_owned()).await),
        };
        let database = server_cpu().await;
        Self {
            at: Instant::now(),
            client: cpu_of(std::process::id()),
            nodes: nodes.iter().map(|node| node.cpu()).collect(),
            database,
            log_bytes,
        }
    }

    fn cores_since(&self, before: &Self) -> Cores {
        let took = (self.at - before.at).as_secs_f64();
        let cores = |after: Option<Duration>, before: Option<Duration>| {
            Some(after?.checked_sub(before?)?.as_secs_f64() / took)
        };
        let nodes = self.nodes.iter().zip(&before.nodes);
        Cores {
            client: cores(self.client, before.client),
            nodes: nodes
                .map(|(after, before)| cores(*after, *before))
                .collect(),
            database: cores(self.database, before.database),
        }
    }
}

/// Compares what is stored with what was heard.
async fn violations(app: Node, pool: &Pool<Db>, last_payment: i64, heard: &Heard) -> Vec<String> {
    let find = format!("select id, reference from payment where id > {last_payment}");
    let find = sqlx::query_as(AssertSqlSafe(find));
    let stored: Vec<(i64, String)> = find.fetch_all(pool).await.unwrap();
    let mut violations = heard.ledger.violations(stored);
    let count = format!(
        "select (select count(*) from payment), (select count(*) from {})",
        table_of(app)
    );
    let count = sqlx::query_as(AssertSqlSafe(count)).fetch_one(pool);
    let (payments, records): (i64, i64) = count.await.unwrap();
    if payments != records {
        violations.push(format!(
            "there are {payments} payments and {records} records"
        ));
    }
    violations
}

/// Connections are opened and statements prepared before anything is measured.
const WARM_UP: Duration = Duration::from_secs(1);

const LAST_PAYMENT: &str = "select coalesce(max(id), 0) from payment";
