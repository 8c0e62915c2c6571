//! Measures what Idem costs, as ratios to endpoints that do the same work without it.
//!
//! ```sh
//! cargo run --release -p idem-bench
//! cargo run --release -p idem-bench -- --database sqlite --seconds 0.2
//! ```
//!
//! It measures this on each database, with 1, 8 and 32 requests at once. The sides of a table take
//! their turns in the same rounds, and each has its own server, pool and database:
//!
//! * **first writes**, each with a key of its own:
//!   *bare*, a handler that begins a transaction, inserts a payment and commits;
//!   *hand-written*, the same with what one writes without a library: in that transaction the key is
//!   inserted, and the response stored (`endpoints/by_hand.rs`);
//!   *Idem*, the same handler under `#[idempotent]`;
//! * **replays** of stored responses:
//!   *bare read*, a handler that reads one by its primary key; *hand-written*;
//!   *Idem, from memory*, by a node with a `replay_memory`, which has completed these keys itself; *Idem, completed
//!   here*, by such a node without the memory; *Idem, another node*, by one that has not met any of them;
//! * **messages**: a consumer that handles messages with the inbox, one by one and several in one
//!   transaction, against one that does the same insert in a plain transaction for each. No broker
//!   and no HTTP is involved; a latency is that of a batch;
//! * **modes of a rollout**, with `--modes`: `observe` against `enforce`, and `off` against
//!   a handler without the attribute, with first writes.
//!
//! The hand-written side does less than Idem: it does not notice a handler that ends the transaction, a duplicate
//! holds a connection for as long as the first request runs, and nothing removes its keys.
//!
//! # How to read it
//!
//! To see what metrics and spans cost, compare with a server that was built without them:
//!
//! ```sh
//! cargo build --release -p idem-bench --features observed --target-dir target/observed
//! target/observed/release/idem-bench --serve --database postgres    # prints an address
//! target/release/idem-bench --serve --database postgres             # prints another
//! target/release/idem-bench --compare <the one> <the other>
//! ```
//!
//! Read the ratios of throughput, above one is good: absolute figures depend on the machine and its load. A ratio is
//! taken within one round, in which the sides follow each other in changing order. The report shows the median over
//! the rounds, and the quartiles, between which half of the rounds lie: the wider they are, the less the median says.
//!
//! The sides are equal: each has its own database with as many rows, the database's default
//! durability, and a pool of the same size. Requests come over loopback TCP on one kept connection per
//! worker, which is what clients see. The workers share the cores with the server; the lines *no database* measure
//! an endpoint that only responds, and a figure close to theirs measures the client.
//!
//! A memory keeps responses for five minutes, so a run with more rounds or longer turns than the default measures the
//! database in its place.
//!
//! On SQLite plain writers that collide sleep and try again, while Idem queues its writers: with
//! many at once a few plain requests wait long while others are fast, and the sides' medians
//! say little without their tails. SQLite's files are in the temporary folder (`TMPDIR`), which
//! should be on a disk.

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on panics and says why"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "what knows its database is compiled once for each"
)]

use std::io::{self, Write};

use clap::Parser;

use crate::load::Endpoint;
use crate::options::{Database, Options, Plan};
use crate::sides::{Node, Sides};

mod keys;
mod load;
#[cfg(feature = "mysql")]
mod mysql;
mod options;
#[cfg(feature = "postgres")]
mod postgres;
mod report;
mod sides;
#[cfg(feature = "sqlite")]
mod sqlite;
mod turn;

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!("choose a database: `--features sqlite`, `postgres` or `mysql`");

/// A macro, since the servers and consumers of each database have their own types.
macro_rules! measure_database {
    ($database:ident, $options:expr, $plan:expr, $out:expr) => {
        if $options.serve {
            return serve($database::Nodes::new($plan).start(Node::Idem).await).await;
        } else if $options.modes {
            let modes = $database::Modes::start($plan).await;
            measure($database::NAME, &modes.sides, &$plan.at_once, $plan, $out).await?;
        } else {
            if !$options.messages {
                let measured = $database::Measured::start($plan).await;
                let sides = [&measured.first_writes, &measured.replays];
                measure($database::NAME, sides, &$plan.at_once, $plan, $out).await?;
            }
            let consumers = $database::Consumers::start($plan).await;
            let sides = $plan.together.map(|together| consumers.sides(together));
            measure($database::NAME, &sides, &$plan.at_once[..2], $plan, $out).await?;
        }
    };
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let plan = &options.plan();
    let out = &mut io::stdout();
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    idem_tests::be_durable();
    #[cfg(feature = "observed")]
    observe();
    if let Some(servers) = options.compare.as_deref() {
        writeln!(out, "{}", report::header(plan))?;
        let sides = compared(servers);
        return measure(
            "One server beside another",
            [&sides],
            &plan.at_once,
            plan,
            out,
        )
        .await;
    }
    if !options.serve {
        writeln!(out, "{}", report::header(plan))?;
    }
    #[cfg(feature = "sqlite")]
    if matches!(options.database, Database::Sqlite | Database::All) {
        measure_database!(sqlite, options, plan, out);
    }
    #[cfg(feature = "postgres")]
    if matches!(options.database, Database::Postgres | Database::All) {
        measure_database!(postgres, options, plan, out);
    }
    #[cfg(feature = "mysql")]
    if matches!(options.database, Database::Mysql | Database::All) {
        measure_database!(mysql, options, plan, out);
    }
    Ok(())
}

/// Prints the address of a server, and keeps it until the process ends.
async fn serve(address: std::net::SocketAddr) -> io::Result<()> {
    writeln!(io::stdout(), "{address}")?;
    std::future::pending().await
}

/// Two servers that `--serve` has started.
fn compared(servers: &[std::net::SocketAddr]) -> Sides {
    let sides = servers.iter().zip(["one", "other"]);
    Sides {
        what: "first writes".to_owned(),
        references: 1,
        sides: sides
            .map(|(address, name)| Endpoint::writing(*address).side(name))
            .collect(),
    }
}

/// Records metrics and spans without exporting them.
#[cfg(feature = "observed")]
fn observe() {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new();
    recorder.install_recorder().unwrap();
    let spans = tracing_subscriber::fmt::format::FmtSpan::CLOSE;
    let log = tracing_subscriber::fmt().with_span_events(spans);
    log.with_max_level(tracing_subscriber::filter::LevelFilter::INFO)
        .with_writer(io::sink)
        .init();
}

/// Writes each table of the report as soon as it is measured.
async fn measure<'s>(
    database: &str,
    comparisons: impl IntoIterator<Item = &'s Sides>,
    at_once: &[usize],
    plan: &Plan,
    out: &mut impl Write,
) -> io::Result<()> {
    for sides in comparisons {
        for at_once in at_once {
            let rounds = sides.rounds(*at_once, plan).await;
            writeln!(
                out,
                "\n{}",
                report::table(database, sides, *at_once, &rounds)
            )?;
        }
    }
    Ok(())
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn every_endpoint_and_consumer_works_and_is_measured() -> io::Result<()> {
        let plan = Plan {
            at_once: [1, 2, 4],
            rounds: 2,
            turn: Duration::from_millis(20),
            pool_size: 2,
            stored: 5_000,
            known: 20,
            together: [1, 2, 3],
        };
        // A worker panics when an answer is not the one that is to be measured.
        let measured = sqlite::Measured::start(&plan).await;
        let names = report_of([&measured.first_writes, &measured.replays], &plan).await?;
        assert_eq!(names.len(), 3 * (4 + 5), "{names:?}");
        let modes = sqlite::Modes::start(&plan).await;
        let names = report_of(&modes.sides, &plan).await?;
        assert_eq!(names.len(), 3 * 2 * 2, "{names:?}");
        let consumers = sqlite::Consumers::start(&plan).await;
        let sides = plan.together.map(|together| consumers.sides(together));
        let names = report_of(&sides, &plan).await?;
        assert_eq!(names.len(), 3 * 3 * 2, "{names:?}");
        Ok(())
    }

    /// The lines of the sides.
    async fn report_of<'s>(
        comparisons: impl IntoIterator<Item = &'s Sides>,
        plan: &Plan,
    ) -> io::Result<Vec<String>> {
        let mut out = Vec::new();
        measure("SQLite", comparisons, &plan.at_once, plan, &mut out).await?;
        let text = String::from_utf8(out).unwrap();
        let rows = text.lines().filter(|line| line.starts_with("  "));
        Ok(rows.map(str::to_owned).collect())
    }
}
