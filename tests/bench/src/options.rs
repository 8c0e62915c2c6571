//! The options: what to measure, how often and how long.

use std::fmt;
use std::net::SocketAddr;
use std::num::ParseFloatError;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use serde::{Deserialize, Serialize};

use crate::nodes::Node;

/// Measures what Idem costs, as ratios to endpoints that do the same work without it.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// The databases to measure.
    #[arg(long, value_enum, default_value = "all")]
    pub(crate) database: Database,
    /// How long a side's turn takes: 0.5, or with `--quick` 0.12.
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// The number of rounds: 15, or with `--quick` 4.
    #[arg(long)]
    rounds: Option<usize>,
    /// Measures all databases in less than four minutes.
    #[arg(long)]
    quick: bool,
    /// Writes the figures of each round to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// How much later the servers' messages reach the databases in the second pair of tables, in
    /// milliseconds. 0 leaves these out.
    #[arg(long, default_value = "0.5", value_parser = milliseconds)]
    delay: Duration,
    /// How many stored responses each side has. Idem on another node replays each of them once.
    #[arg(long)]
    stored: Option<u64>,
    /// How many connections the pool of each side holds at most.
    #[arg(long, default_value_t = 10)]
    pool_size: u32,
    /// Draws the plots of these files into a folder, and measures nothing.
    #[cfg(feature = "plots")]
    #[arg(long, value_name = "FOLDER", requires = "from")]
    pub(crate) plot: Option<PathBuf>,
    /// Files that `--json` has written. What several of them have is taken from the last one.
    #[cfg(feature = "plots")]
    #[arg(long, num_args = 1.., value_name = "FILE")]
    pub(crate) from: Vec<PathBuf>,
    #[command(flatten)]
    parts: Parts,
    /// Serves the handler with the attribute until it is killed, and prints its address.
    #[arg(long)]
    pub(crate) serve: bool,
    /// Measures first writes on two such servers.
    #[arg(long, num_args = 2, value_names = ["ONE", "OTHER"])]
    pub(crate) compare: Option<Vec<SocketAddr>>,
    /// Is a server for the process that has started it.
    #[arg(long, hide = true, requires = "url")]
    pub(crate) node: Option<Node>,
    /// The database of that server.
    #[arg(long, hide = true)]
    pub(crate) url: Option<String>,
}

/// Those that are named, or requests and messages.
#[derive(Args, Debug)]
struct Parts {
    /// Measures first writes and replays.
    #[arg(long)]
    requests: bool,
    /// Measures messages.
    #[arg(long)]
    messages: bool,
    /// Measures the modes of a rollout.
    #[arg(long)]
    modes: bool,
    /// Measures first writes with so many stored keys.
    #[arg(long, num_args = 0.., value_name = "KEYS", default_missing_values = ["10000", "1000000", "10000000"])]
    growth: Option<Vec<u64>>,
    /// Measures first writes while so many expired keys are swept.
    #[arg(long, num_args = 0..=1, value_name = "KEYS", default_missing_value = "1000000")]
    sweep: Option<u64>,
    /// Measures what a storm of duplicates does to others.
    #[arg(long)]
    storm: bool,
}

/// What to measure on each database.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Part {
    Requests,
    Messages,
    Modes,
    /// With so many stored keys.
    Growth(Vec<u64>),
    /// Of so many expired keys.
    Sweep(u64),
    Storm,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Database {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
    #[cfg(feature = "mysql")]
    Mysql,
    All,
}

impl Database {
    /// Whether it is a server, and not a library.
    pub(crate) fn is_server(self) -> bool {
        match self {
            #[cfg(feature = "sqlite")]
            Self::Sqlite => false,
            _ => true,
        }
    }

    /// Other settings of Idem that change its messages here. A library gets none.
    pub(crate) fn variants(self) -> &'static [(Node, &'static str)] {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres => &[UNPINGED, (Node::Merging, "Idem, merged")],
            #[cfg(feature = "mysql")]
            Self::Mysql => &[UNPINGED],
            _ => &[],
        }
    }
}

const UNPINGED: (Node, &str) = (Node::Unpinged, "Idem, no ping");

/// How much to measure; the same for every database.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Plan {
    pub(crate) at_once: [usize; 3],
    pub(crate) rounds: usize,
    pub(crate) turn: Duration,
    pub(crate) pool_size: u32,
    /// How many responses are stored before anything is measured.
    pub(crate) stored: u64,
    /// Of how many keys the replays are that a node knows. A multiple of each number of concurrent
    /// requests, so that no two workers send the same key.
    pub(crate) known: u64,
    /// How many messages share a transaction.
    pub(crate) together: [usize; 3],
    /// How much later messages reach the database in the tables that tell of it.
    pub(crate) delay: Duration,
    /// Whether each server is a process of its own.
    pub(crate) apart: bool,
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} rounds after one of warm-up, {:?} per side; pools of {} connections; {} stored responses",
            self.rounds, self.turn, self.pool_size, self.stored
        )
    }
}

impl Options {
    /// The databases to measure, each alone.
    pub(crate) fn databases(&self) -> Vec<Database> {
        match self.database {
            Database::All => {
                let all = Database::value_variants().iter().copied();
                all.filter(|one| *one != Database::All).collect()
            }
            one => vec![one],
        }
    }

    pub(crate) fn parts(&self) -> Vec<Part> {
        let parts = &self.parts;
        let named = [
            parts.requests.then_some(Part::Requests),
            parts.messages.then_some(Part::Messages),
            parts.modes.then_some(Part::Modes),
            parts.growth.clone().map(Part::Growth),
            parts.sweep.map(Part::Sweep),
            parts.storm.then_some(Part::Storm),
        ];
        match named.into_iter().flatten().collect() {
            none if Vec::is_empty(&none) => vec![Part::Requests, Part::Messages],
            named => named,
        }
    }

    pub(crate) fn plan(&self) -> Plan {
        let (rounds, seconds) = match self.quick {
            true => (4, Duration::from_millis(120)),
            false => (15, Duration::from_millis(500)),
        };
        let rounds = self.rounds.unwrap_or(rounds).max(1);
        let turn = self.seconds.unwrap_or(seconds);
        let at_once = [1, 8, 32];
        // More than a node replays in all its turns.
        let turns = turn * u32::try_from((rounds + 1) * at_once.len()).unwrap_or(u32::MAX);
        let stored = u64::try_from(turns.as_millis()).unwrap_or(u64::MAX) * REPLAYS_PER_MILLISECOND;
        Plan {
            at_once,
            rounds,
            turn,
            pool_size: self.pool_size,
            stored: self.stored.unwrap_or(stored.max(1_000)),
            known: 256,
            together: [1, 10, 100],
            delay: self.delay,
            apart: true,
        }
    }
}

const REPLAYS_PER_MILLISECOND: u64 = 20;

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|error: ParseFloatError| error.to_string())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    Ok(seconds(text)? / 1000)
}
