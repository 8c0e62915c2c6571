//! The options: what to measure, how often and how long.

use std::fmt;
use std::net::SocketAddr;
use std::num::ParseFloatError;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum, value_parser};
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
    /// How many attempts of a node may ask the database or run; further ones are refused. Idem's own limit if it is not
    /// given.
    #[arg(long, value_name = "ATTEMPTS")]
    max_attempts: Option<usize>,
    /// Draws the plots of these files into a folder, and measures nothing.
    #[arg(long, value_name = "FOLDER", requires = "from")]
    pub(crate) plot: Option<PathBuf>,
    /// Files that `--json` has written. What several of them have is taken from the last one.
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
    /// Measures nodes under a load that does not wait for answers, for so many seconds at each rate, and checks what
    /// became of every key. Fails if one was paid twice, or acknowledged and lost.
    #[arg(long, num_args = 0..=1, value_name = "SECONDS", default_missing_value = "15", value_parser = load_time)]
    load: Option<Duration>,
    /// How many requests are due per second, one rate after the other.
    #[arg(long, num_args = 1.., value_name = "PER_SECOND", requires = "load", default_values_t = [250, 500, 1000, 2000],
        value_parser = value_parser!(u32).range(1..=MOST_PER_SECOND))]
    rate: Vec<u32>,
    /// How many nodes share the database, each a process of its own.
    #[arg(long, requires = "load", default_value_t = 2, value_parser = value_parser!(u16).range(1..=64))]
    nodes: u16,
    /// What the nodes of a load run. `merging` differs from `idem` on Postgres alone, and `bare` shows what is found
    /// without protection.
    #[arg(
        long,
        value_enum,
        value_name = "NODE",
        requires = "load",
        default_value = "idem"
    )]
    app: Node,
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
    Load(Load),
}

/// A load that does not wait for answers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Load {
    /// Of how many requests per second, one after the other.
    pub(crate) rates: Vec<u32>,
    /// For how long each.
    pub(crate) time: Duration,
    pub(crate) nodes: usize,
    pub(crate) app: Node,
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
    /// The setting of Idem, if it is not the default.
    #[serde(default)]
    pub(crate) max_attempts: Option<usize>,
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
            parts.load.map(|time| {
                Part::Load(Load {
                    rates: parts.rate.clone(),
                    time,
                    nodes: parts.nodes.into(),
                    app: parts.app,
                })
            }),
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
            max_attempts: self.max_attempts,
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

fn load_time(text: &str) -> Result<Duration, String> {
    let time = seconds(text)?;
    let is_possible = (Duration::from_secs(1)..=LONGEST_LOAD).contains(&time);
    let complain = || format!("a load takes 1 to {} seconds", LONGEST_LOAD.as_secs());
    is_possible.then_some(time).ok_or_else(complain)
}

/// Every key is kept until the end: with the highest rate a few million.
const LONGEST_LOAD: Duration = Duration::from_secs(600);

const MOST_PER_SECOND: i64 = 20_000;

fn milliseconds(text: &str) -> Result<Duration, String> {
    Ok(seconds(text)? / 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(arguments: &str) -> Result<Vec<Part>, String> {
        let arguments = ["idem-bench"].into_iter().chain(arguments.split(' '));
        let options = Options::try_parse_from(arguments);
        options
            .map(|options| options.parts())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_load_has_a_time_rates_and_nodes() {
        let load = |rates: &[u32], seconds, nodes, app| {
            Ok(vec![Part::Load(Load {
                rates: rates.to_vec(),
                time: Duration::from_secs(seconds),
                nodes,
                app,
            })])
        };
        let expected = load(&[250, 500, 1000, 2000], 15, 2, Node::Idem);
        assert_eq!(parts("--load"), expected);
        let expected = load(&[10, 20], 3, 1, Node::Bare);
        assert_eq!(
            parts("--load 3 --rate 10 20 --nodes 1 --app bare"),
            expected
        );
    }

    #[test]
    fn what_is_no_load_is_refused_with_the_reason() {
        for (arguments, reason) in [
            ("--load 0", "a load takes 1 to 600 seconds"),
            ("--load 601", "a load takes 1 to 600 seconds"),
            ("--load soon", "invalid float literal"),
            ("--load --rate 0", "0 is not in 1..=20000"),
            ("--load --rate 20001", "20001 is not in 1..=20000"),
            ("--load --nodes 0", "0 is not in 1..=64"),
            ("--load --app other", "possible values: bare, by-hand, idem"),
            ("--rate 10", "--load"),
            ("--nodes 1", "--load"),
            ("--storm --app bare", "--load"),
        ] {
            let refused = parts(arguments).unwrap_err();
            assert!(refused.contains(reason), "{arguments}: {refused}");
        }
    }
}
