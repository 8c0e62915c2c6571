//! Measures what Idem costs, as ratios to endpoints that do the same work without it.
//!
//! ```sh
//! cargo run --release -p idem-bench                                # all databases
//! cargo run --release -p idem-bench -- --quick --json figures.json # in less than four minutes
//! cargo run --release -p idem-bench -- --database postgres --growth
//! ```
//!
//! It starts all servers itself. On each database it measures, with 1, 8 and 32 requests at once:
//!
//! * **first writes**, each with a key of its own:
//!   *bare*, a handler that begins a transaction, inserts a payment and commits;
//!   *hand-written*, the same with what one writes without a library: in that transaction the key is
//!   inserted, and the response stored (`endpoints/by_hand.rs`);
//!   *Idem*, the same handler under `#[idempotent]`;
//!   *Idem, no ping*, on a pool with `test_before_acquire(false)`, where the database is a server;
//!   *Idem, merged*, with `merge_messages`, on Postgres;
//! * **replays** of stored responses:
//!   *bare read*, a handler that reads one by its primary key; *hand-written*;
//!   *Idem, from memory*, by a node with a `replay_memory`, which has completed these keys itself; *Idem, completed
//!   here*, by such a node without the memory; *Idem, another node*, by one that has not met any of them;
//! * both again with **each message to the database 0.5 ms later** (`--delay`), as on a network: through a
//!   proxy that sleeps for so long, and says how long it really was (`delay.rs`);
//! * **counts** of one request of each side, in a pass of its own;
//! * **messages**: a consumer that handles messages with the inbox, one by one and several in one
//!   transaction, against one that does the same insert in a plain transaction for each. No broker
//!   and no HTTP is involved; a latency is that of a batch.
//!
//! And by an option: the **modes of a rollout** (`--modes`), `observe` against `enforce` and `off` against a
//! handler without the attribute; **many stored keys** (`--growth`); a **sweep** of expired ones beside first writes
//! (`--sweep`); a **storm** of duplicates of one key, whose handler takes 200 ms, beside four other writers
//! (`--storm`). Several options measure several parts in one run; `--requests` and `--messages` are those that are
//! measured without an option.
//!
//! # Plots
//!
//! `docs/PERFORMANCE.md` shows the plots that `--plot` draws from the JSON of one or several runs:
//!
//! ```sh
//! cargo run -p idem-bench -- --plot docs/performance --from figures.json
//! ```
//!
//! # A load that does not wait
//!
//! ```sh
//! cargo run --release -p idem-bench -- --load                      # 15 s at each of four rates, on all databases
//! cargo run --release -p idem-bench -- --load 30 --rate 500 1000 --nodes 4 --database postgres
//! cargo run --release -p idem-bench -- --load 3 --rate 100 --app bare   # what is found without protection
//! ```
//!
//! Each worker above waits for its answer, so a slow server gets fewer requests. `--load` sends each request when it is
//! due, however many are open, and counts its latency from that instant: what waits in a queue, on the client's side
//! too, is seen. A rate has nodes of its own, each a process, over a database of its own, and a second of warm-up. Of a
//! hundred requests 70 pay with a key of their own, 15 retry a key that has been answered, 10 are sent twice at once, to
//! two nodes, and 5 hang up within 5 ms and are sent again to the next node. A client that is refused sends its key
//! again after `Retry-After`, to the next node; one without an answer does so after ten seconds. Half a minute after the
//! end it stops. At most 10 000 requests are open, fewer where the system allows fewer files.
//!
//! *paid/s* counts keys that got their first answer while the load was measured, *replayed/s* the further answers:
//! together they stay below what is due when a queue grows. Latencies are those of requests that pay and of retries.
//! A client of a request that was never answered has waited until the end, and counts with that.
//!
//! A *violation* is a key that was paid twice; one that was acknowledged and is not stored; one whose
//! answers name two payments, or of whose answers two are not replays; an answer that is neither a payment nor a refusal
//! with `Retry-After`; and payments without records. All keys are compared with what is stored. If there is
//! one, the command fails.
//!
//! # How to read it
//!
//! Read the ratios of throughput, above one is good: absolute figures depend on the machine and its load. A ratio is
//! taken within one round, in which the sides follow each other in changing order. The report shows the median over
//! the rounds, and the quartiles, between which half of the rounds lie: the wider they are, the less the median says.
//!
//! The sides are equal: each has its own database with as many rows, the database's default
//! durability, and a server process with a pool of the same size. Requests come over loopback TCP on one kept
//! connection per worker, which is what clients see. The workers share the cores with the servers; the lines
//! *no database* measure an endpoint that only responds, and a figure close to theirs measures the client.
//! Where this machine can reach a database's container by its own address, as on Linux, messages do not pass
//! through Docker's proxy, which would cost processor time for each of them.
//!
//! The hand-written side does less than Idem: it does not notice a handler that ends the transaction, a duplicate
//! holds a connection for as long as the first request runs, and nothing removes its keys.
//!
//! A memory keeps responses for five minutes, so a run with more rounds or longer turns than the default measures the
//! database in its place.
//!
//! On SQLite plain writers that collide sleep and try again, while Idem queues its writers: with
//! many at once a few plain requests wait long while others are fast, and the sides' medians
//! say little without their tails. SQLite's files are in the temporary folder (`TMPDIR`), which
//! should be on a disk.
//!
//! # What is counted
//!
//! Medians over requests that follow each other, with few stored responses and after a checkpoint and a warm-up, so
//! that Postgres logs no whole pages any more. *Messages* to the database, each of which waits for an answer, the
//! pool's tests of a connection before and after its use included, and *statements*, each one of a text that has
//! several: both through the tests' own proxy. The rest without it: the *processor time* of the server and of the
//! database's processes, the *transaction ids* that were assigned, and the *bytes of the log* (write-ahead log, the redo
//! log of `InnoDB`). *Bytes per key*: what a stored response adds to the table and its indexes. *n/a*: it does not
//! exist there, or cannot be read.
//!
//! # Metrics and spans
//!
//! To see what they cost, compare with a server that was built without them:
//!
//! ```sh
//! cargo build --release -p idem-bench --features observed --target-dir target/observed
//! target/observed/release/idem-bench --serve --database postgres    # prints an address
//! target/release/idem-bench --serve --database postgres             # prints another
//! target/release/idem-bench --compare <the one> <the other>
//! ```

#![allow(
    clippy::unwrap_used,
    reason = "a measurement that cannot go on panics and says why"
)]
#![allow(
    clippy::duplicate_mod,
    reason = "what knows its database is compiled once for each"
)]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::Parser;

use crate::links::Link;
use crate::load::Endpoint;
use crate::nodes::{Node, Running, serve_parent};
use crate::options::{Database, Options, Part, Plan};
use crate::report::Report;
use crate::sides::Sides;

mod connection;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod delay;
mod keys;
mod links;
mod load;
#[cfg(feature = "mysql")]
mod mysql;
mod nodes;
mod open_files;
mod options;
mod plots;
#[cfg(feature = "postgres")]
mod postgres;
mod report;
mod sides;
#[cfg(feature = "sqlite")]
mod sqlite;
mod storm;
mod traffic;
mod turn;

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!("choose a database: `--features sqlite`, `postgres` or `mysql`");

#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    if let Some(folder) = &options.plot {
        return plots::write(&options.from, folder);
    }
    let plan = &options.plan();
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    idem_tests::be_durable();
    #[cfg(feature = "observed")]
    observe();
    if let (Some(node), Some(url)) = (options.node, &options.url) {
        return serve_parent(serve_at(options.database, node, url, plan).await).await;
    }
    if options.serve {
        for database in options.databases() {
            keep(database, plan).await?;
        }
    }
    let mut report = Report::begin(Box::new(io::stdout()), plan)?;
    if let Some(servers) = options.compare.as_deref() {
        let sides = compared(servers);
        let name = "One server beside another";
        report.measure(name, [&sides], &plan.at_once, plan).await?;
    } else {
        for database in options.databases() {
            for part in options.parts() {
                run(database, &part, plan, &mut report).await?;
            }
        }
    }
    if let Some(file) = &options.json {
        report.save(file)?;
    }
    match report.violations() {
        0 => Ok(()),
        found => Err(io::Error::other(format!("{found} violations"))),
    }
}

async fn run(database: Database, part: &Part, plan: &Plan, report: &mut Report) -> io::Result<()> {
    match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite => sqlite::run(part, plan, report).await,
        #[cfg(feature = "postgres")]
        Database::Postgres => postgres::run(part, plan, report).await,
        #[cfg(feature = "mysql")]
        Database::Mysql => mysql::run(part, plan, report).await,
        Database::All => Ok(()),
    }
}

async fn serve_at(database: Database, node: Node, url: &str, plan: &Plan) -> SocketAddr {
    match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite => sqlite::serve(node, url, plan).await,
        #[cfg(feature = "postgres")]
        Database::Postgres => postgres::serve(node, url, plan).await,
        #[cfg(feature = "mysql")]
        Database::Mysql => mysql::serve(node, url, plan).await,
        Database::All => unreachable!("a server has one database"),
    }
}

async fn keep(database: Database, plan: &Plan) -> io::Result<()> {
    let plan = &Plan {
        stored: 0,
        apart: false,
        ..plan.clone()
    };
    match database {
        #[cfg(feature = "sqlite")]
        Database::Sqlite => sqlite::keep(plan).await,
        #[cfg(feature = "postgres")]
        Database::Postgres => postgres::keep(plan).await,
        #[cfg(feature = "mysql")]
        Database::Mysql => mysql::keep(plan).await,
        Database::All => Ok(()),
    }
}

/// Two servers that `--serve` has started.
fn compared(servers: &[SocketAddr]) -> Sides {
    let sides = servers.iter().zip(["one", "other"]).map(|(address, name)| {
        let node = Arc::new(Running::at(*address, Link::Nothing));
        Endpoint::writing(&node).side(name)
    });
    Sides {
        what: "first writes".to_owned(),
        references: 1,
        sides: sides.collect(),
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

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    /// A worker panics when an answer is not the one that is to be measured.
    #[tokio::test]
    async fn every_endpoint_and_consumer_works_and_is_measured() -> io::Result<()> {
        let plan = &Plan {
            at_once: [1, 2, 4],
            rounds: 2,
            turn: Duration::from_millis(20),
            pool_size: 2,
            max_attempts: None,
            stored: 5_000,
            known: 20,
            together: [1, 2, 3],
            delay: Duration::ZERO,
            apart: false,
        };
        let report = &mut Report::begin(Box::new(io::sink()), plan)?;
        let (growth, sweep) = (Part::Growth(vec![10, 100]), Part::Sweep(1_000));
        let parts = [Part::Requests, Part::Messages, Part::Modes, growth, sweep];
        for part in parts.into_iter().chain([Part::Storm]) {
            sqlite::run(&part, plan, report).await?;
        }
        let json = report.json();
        // How many tables of each title there are, and how many rows they have.
        let mut timed = BTreeMap::<_, Vec<_>>::new();
        for table in json["timed"].as_array().unwrap() {
            let rows = table["rows"].as_array().unwrap().len();
            let title = table["what"].as_str().unwrap();
            timed.entry(title).or_default().push(rows);
        }
        let expected = [
            ("first writes", vec![4, 4, 4]),
            ("first writes, beside a sweep", vec![2]),
            ("first writes, by stored keys", vec![2, 2, 2]),
            ("first writes, encryption", vec![2, 2, 2]),
            ("first writes, observe", vec![2, 2, 2]),
            ("first writes, off", vec![2, 2, 2]),
            ("messages one by one", vec![2, 2]),
            ("messages, 2 in one transaction", vec![2, 2]),
            ("messages, 3 in one transaction", vec![2, 2]),
            ("replays", vec![5, 5, 5]),
        ];
        assert_eq!(timed, BTreeMap::from(expected));
        let databases = json["databases"].as_array().unwrap();
        assert_eq!(databases.len(), 1);
        assert_eq!(databases[0]["name"], "SQLite");
        assert_eq!(json["counted"].as_array().unwrap().len(), 2);
        for row in json["storms"][0]["rows"].as_array().unwrap() {
            assert_eq!(row["runs"], 1, "{row}");
        }
        assert!(
            json["notes"][0].as_str().unwrap().contains("1000 expired"),
            "{json}"
        );
        Ok(())
    }
}
