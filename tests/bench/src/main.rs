//! Measures what Idem costs, as ratios to endpoints that do the same work without it.
//!
//! ```sh
//! cargo run --release -p idem-bench
//! cargo run --release -p idem-bench -- --database sqlite --seconds 0.2
//! ```
//!
//! The benchmark measures this on each database, with few and with many concurrent requests:
//!
//! * **first-time writes**: a handler under `#[idempotent]`, each request with a key of its own,
//!   against a handler that begins a transaction, does the same insert and commits;
//! * **replays**: the same handler with keys whose responses are stored, against a handler that
//!   reads such a response by its primary key;
//! * **replays from memory**: the same on a node with a `replay_memory`. It remembers for five minutes, so a run
//!   with more rounds or longer turns than the default measures the database again;
//! * **modes of a rollout**, with `--modes`: `observe` against `enforce`, and `off` against
//!   a handler without the attribute, with first-time writes;
//! * **messages**: a consumer that handles messages with the inbox, one by one and several in one
//!   transaction, against one that does the same insert in a plain transaction for each. No broker
//!   and no HTTP is involved; a latency is that of a batch.
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
//! Read the ratios: absolute figures depend on the machine and its load. A ratio is taken
//! within one round, in which the sides follow each other. The report shows the median over the
//! rounds, and for throughput the quartiles, between which half of the rounds lie: the wider they
//! are, the less the median says. For throughput above one is good, for latency below one.
//!
//! The sides are equal: each has its own database with the same rows, the database's default
//! durability, and a pool of the same size. The tables are analysed once they are filled, since
//! a plan made for an empty table would keep scanning the full one.
//! Requests come over loopback TCP on one kept connection per worker, which is what clients
//! see. The workers share the cores with the server; the lines *no database* measure an endpoint
//! that only responds, and a figure close to theirs measures the client.
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
    reason = "the endpoints are compiled once per database"
)]

use std::io::{self, Write};

use clap::Parser;

use crate::load::{Endpoint, Sides};
use crate::options::{Database, Options, Plan};

mod load;
mod options;
mod report;

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!("choose a database: `--features sqlite`, `postgres` or `mysql`");

/// A macro, since the consumers of each database have their own type.
macro_rules! measure_messages {
    ($database:literal, $consumers:expr, $plan:expr, $out:expr) => {
        for together in $plan.together {
            let what = match together {
                1 => "messages one by one".to_owned(),
                _ => format!("messages, {together} in one transaction"),
            };
            writeln!($out, "\n{}", report::columns($database, &what))?;
            for at_once in [$plan.at_once[0], $plan.at_once[1]] {
                let rounds = $consumers.rounds(at_once, together, $plan).await;
                writeln!($out, "{}", report::row(at_once, &rounds))?;
            }
        }
    };
}
#[tokio::main]
async fn main() -> io::Result<()> {
    let options = Options::parse();
    let plan = options.plan();
    let mut out = io::stdout();
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    idem_tests::be_durable();
    #[cfg(feature = "observed")]
    observe();
    if let Some([one, other]) = options.compare.as_deref() {
        writeln!(out, "{}", report::header(&plan))?;
        let sides = load::first_time_writes(*one, *other);
        let sides = [("one server beside another", &sides)];
        return measure_sides("first-time writes", sides, &plan, &mut out).await;
    }
    if !options.serve {
        writeln!(out, "{}", report::header(&plan))?;
    }
    #[cfg(feature = "sqlite")]
    if matches!(options.database, Database::Sqlite | Database::All) {
        if options.serve {
            let server = sqlite::Server::start(&plan).await;
            return serve(&server.endpoints).await;
        } else if options.modes {
            let modes = sqlite::Modes::start(&plan).await;
            measure_sides("SQLite", modes.sides(), &plan, &mut out).await?;
        } else {
            if !options.messages {
                let server = sqlite::Server::start(&plan).await;
                measure("SQLite", &server.endpoints, &plan, &mut out).await?;
            }
            let consumers = sqlite::Consumers::start(&plan).await;
            measure_messages!("SQLite", consumers, &plan, &mut out);
        }
    }
    #[cfg(feature = "postgres")]
    if matches!(options.database, Database::Postgres | Database::All) {
        if options.serve {
            let server = postgres::Server::start(&plan).await;
            return serve(&server.endpoints).await;
        } else if options.modes {
            let modes = postgres::Modes::start(&plan).await;
            measure_sides("Postgres", modes.sides(), &plan, &mut out).await?;
        } else {
            if !options.messages {
                let server = postgres::Server::start(&plan).await;
                measure("Postgres", &server.endpoints, &plan, &mut out).await?;
            }
            let consumers = postgres::Consumers::start(&plan).await;
            measure_messages!("Postgres", consumers, &plan, &mut out);
        }
    }
    #[cfg(feature = "mysql")]
    if matches!(options.database, Database::Mysql | Database::All) {
        if options.serve {
            let server = mysql::Server::start(&plan).await;
            return serve(&server.endpoints).await;
        } else if options.modes {
            let modes = mysql::Modes::start(&plan).await;
            measure_sides("MariaDB", modes.sides(), &plan, &mut out).await?;
        } else {
            if !options.messages {
                let server = mysql::Server::start(&plan).await;
                measure("MariaDB", &server.endpoints, &plan, &mut out).await?;
            }
            let consumers = mysql::Consumers::start(&plan).await;
            measure_messages!("MariaDB", consumers, &plan, &mut out);
        }
    }
    Ok(())
}

/// Serves the handler with the attribute until the process ends, and prints its address.
async fn serve(endpoints: &Endpoints) -> io::Result<()> {
    let address = endpoints.first_time_writes.idem.address();
    writeln!(io::stdout(), "{address}")?;
    std::future::pending().await
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

/// The endpoints measured on one database.
struct Endpoints {
    first_time_writes: Sides,
    replays: Sides,
    remembered_replays: Sides,
    no_database: Endpoint,
}

/// Writes each line of the report as soon as it is measured.
async fn measure(
    database: &str,
    endpoints: &Endpoints,
    plan: &Plan,
    out: &mut impl Write,
) -> io::Result<()> {
    let Endpoints {
        first_time_writes,
        replays,
        remembered_replays,
        no_database,
    } = endpoints;
    let sides = [
        ("first-time writes", first_time_writes),
        ("replays", replays),
        ("replays from memory", remembered_replays),
    ];
    measure_sides(database, sides, plan, out).await?;
    writeln!(out)?;
    for at_once in plan.at_once {
        let turn = load::turn(no_database, at_once, plan.turn).await;
        writeln!(out, "{}", report::no_database(at_once, turn))?;
    }
    Ok(())
}

async fn measure_sides<'s>(
    database: &str,
    sides: impl IntoIterator<Item = (&'s str, &'s Sides)>,
    plan: &Plan,
    out: &mut impl Write,
) -> io::Result<()> {
    for (what, sides) in sides {
        writeln!(out, "\n{}", report::columns(database, what))?;
        for at_once in plan.at_once {
            let rounds = load::rounds(sides, at_once, plan).await;
            writeln!(out, "{}", report::row(at_once, &rounds))?;
        }
    }
    Ok(())
}

#[cfg(feature = "sqlite")]
#[path = "."]
mod sqlite {
    use idem_tests::sqlite::{Db, INSERT_PAYMENT, TestDb};

    pub(crate) use self::messages::Consumers;
    pub(crate) use self::server::{Modes, Server};

    const READ_ANSWER: &str = "select status, body from idem_record \
        where scope = 'global' and operation = 'POST /payments' and key = $1";
    const ANALYZE: &str = "analyze";

    mod endpoints;
    mod messages;
    mod server;
}

#[cfg(feature = "postgres")]
#[path = "."]
mod postgres {
    use idem_tests::postgres::{Db, INSERT_PAYMENT, TestDb};

    pub(crate) use self::messages::Consumers;
    pub(crate) use self::server::{Modes, Server};

    const READ_ANSWER: &str = "select status, body from idem.record \
        where scope = 'global' and operation = 'POST /payments' and key = $1";
    const ANALYZE: &str = "analyze";

    mod endpoints;
    mod messages;
    mod server;
}

#[cfg(feature = "mysql")]
#[path = "."]
mod mysql {
    use idem_tests::mysql::{Db, INSERT_PAYMENT, TestDb};

    pub(crate) use self::messages::Consumers;
    pub(crate) use self::server::{Modes, Server};

    const READ_ANSWER: &str = "select status, body from idem_record \
        where scope = 'global' and operation = 'POST /payments' and `key` = ?";
    const ANALYZE: &str = "analyze table payment, idem_record";

    mod endpoints;
    mod messages;
    mod server;
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
            stored_answers: 20,
            together: [1, 2, 3],
        };
        let server = sqlite::Server::start(&plan).await;
        // A worker panics when an answer is not the one that is to be measured.
        let mut out = Vec::new();
        measure("SQLite", &server.endpoints, &plan, &mut out).await?;
        assert_eq!(rows(&out), 12);
        let consumers = sqlite::Consumers::start(&plan).await;
        let mut out = Vec::new();
        measure_messages!("SQLite", consumers, &plan, &mut out);
        assert_eq!(rows(&out), 6);
        Ok(())
    }

    fn rows(out: &[u8]) -> usize {
        let text = std::str::from_utf8(out).unwrap();
        let is_row = |line: &&str| {
            let line = line.trim_start();
            line.starts_with(|c: char| c.is_ascii_digit())
        };
        text.lines().filter(is_row).count()
    }
}
