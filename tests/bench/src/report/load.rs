//! What nodes do under a load that does not wait, with a row for each rate.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::traffic::{Heard, Schedule};
use crate::turn::milliseconds;

/// What so many nodes over one server have answered.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct LoadTable {
    pub(crate) database: String,
    /// The kind of the nodes.
    pub(crate) app: String,
    pub(crate) nodes: usize,
    /// Of each node.
    pub(crate) pool_size: u32,
    /// Of each node, if it is not Idem's default.
    pub(crate) max_attempts: Option<usize>,
    /// How long each rate was measured.
    pub(crate) seconds: f64,
    pub(crate) rows: Vec<LoadRow>,
}

/// One rate. `None`: there was none, or it cannot be read.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct LoadRow {
    /// Requests that were due per second.
    pub(crate) due: u32,
    /// Keys that were paid per second.
    pub(crate) paid: f64,
    /// Further answers to paid keys per second.
    pub(crate) replayed: f64,
    /// Attempts that were refused, by status and problem.
    pub(crate) refused: BTreeMap<String, usize>,
    /// Attempts that got no answer.
    pub(crate) unheard: usize,
    /// Clients that closed their connection before the answer.
    pub(crate) hung_up: usize,
    pub(crate) first_writes_ms: Percentiles,
    pub(crate) replays_ms: Percentiles,
    pub(crate) cores: Cores,
    /// Of the write-ahead or redo log.
    pub(crate) log_bytes_per_second: Option<f64>,
    /// How many keys were sent.
    pub(crate) keys: usize,
    /// Keys of which no client was told a payment.
    pub(crate) unanswered: usize,
    pub(crate) violations: Vec<String>,
}

/// From the instant at which a request was due to its answer.
#[derive(Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    p50: Option<f64>,
    p99: Option<f64>,
    p999: Option<f64>,
}

/// How many processors each process kept busy.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Cores {
    pub(crate) client: Option<f64>,
    pub(crate) nodes: Vec<Option<f64>>,
    pub(crate) database: Option<f64>,
}

impl LoadRow {
    pub(crate) fn of(
        schedule: &Schedule,
        heard: Heard,
        cores: Cores,
        log_bytes_per_second: Option<f64>,
        violations: Vec<String>,
    ) -> Self {
        let per_second = |count: usize| count as f64 / schedule.time.as_secs_f64();
        Self {
            due: schedule.per_second,
            paid: per_second(heard.answered_in_time),
            replayed: per_second(heard.replayed_in_time),
            keys: heard.ledger.keys(),
            unanswered: heard.ledger.unanswered(),
            refused: heard.refused,
            unheard: heard.unheard,
            hung_up: heard.hung_up,
            first_writes_ms: Percentiles::of(heard.first_writes),
            replays_ms: Percentiles::of(heard.replays),
            cores,
            log_bytes_per_second,
            violations,
        }
    }

    fn refused_with(&self, status: &str) -> usize {
        let refused = self.refused.iter();
        let refused = refused.filter(|(kind, _)| kind.starts_with(status));
        refused.map(|(_, count)| count).sum()
    }

    fn answers(&self) -> [String; ANSWERS.len()] {
        [
            self.due.to_string(),
            format!("{:.0}", self.paid),
            format!("{:.0}", self.replayed),
            self.refused_with("409").to_string(),
            self.refused_with("429").to_string(),
            self.refused_with("503").to_string(),
            self.unheard.to_string(),
            self.hung_up.to_string(),
            self.keys.to_string(),
            self.unanswered.to_string(),
            self.violations.len().to_string(),
        ]
    }

    fn costs(&self) -> [String; COSTS.len()] {
        let first = self.first_writes_ms.cells();
        let again = self.replays_ms.cells();
        let nodes: Option<f64> = self.cores.nodes.iter().copied().sum();
        let log = self.log_bytes_per_second.map(|bytes| bytes / 1e6);
        let cores = [self.cores.client, nodes, self.cores.database, log];
        let cores = cores.map(|cores| cell(cores, 2));
        let due = [self.due.to_string()];
        let mut cells = due.into_iter().chain(first).chain(again).chain(cores);
        std::array::from_fn(|_| cells.next().unwrap_or_default())
    }
}

impl Percentiles {
    fn of(mut latencies: Vec<Duration>) -> Self {
        latencies.sort_unstable();
        let at = |per_mille| percentile(&latencies, per_mille).map(milliseconds);
        Self {
            p50: at(500),
            p99: at(990),
            p999: at(999),
        }
    }

    fn cells(&self) -> [String; 3] {
        [self.p50, self.p99, self.p999].map(|one| cell(one, 1))
    }
}

/// The smallest one that so many of a thousand do not exceed.
fn percentile(sorted: &[Duration], per_mille: usize) -> Option<Duration> {
    let rank = (sorted.len() * per_mille).div_ceil(1000);
    sorted.get(rank.checked_sub(1)?).copied()
}

fn cell(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "n/a".to_owned(), |figure| format!("{figure:.digits$}"))
}

impl fmt::Display for LoadTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            database,
            app,
            nodes,
            pool_size,
            max_attempts,
            seconds,
            rows,
        } = self;
        write!(
            f,
            "{database}, a load that does not wait, {seconds} s each, "
        )?;
        write!(f, "{nodes} × {app} with pools of {pool_size} connections")?;
        if let Some(attempts) = max_attempts {
            write!(f, " and {attempts} attempts at most")?;
        }
        write_rows(f, &ANSWERS, rows.iter().map(LoadRow::answers))?;
        writeln!(f)?;
        write_rows(f, &COSTS, rows.iter().map(LoadRow::costs))?;
        for row in rows {
            for (kind, count) in &row.refused {
                write!(f, "\n{}/s: {count} × {kind}", row.due)?;
            }
            for violation in row.violations.iter().take(SHOWN) {
                write!(f, "\n{}/s: VIOLATION: {violation}", row.due)?;
            }
        }
        Ok(())
    }
}

fn write_rows<const N: usize>(
    f: &mut fmt::Formatter<'_>,
    columns: &[&str; N],
    rows: impl Iterator<Item = [String; N]>,
) -> fmt::Result {
    writeln!(f)?;
    for column in columns {
        write!(f, "{column:>12}")?;
    }
    for row in rows {
        writeln!(f)?;
        for cell in row {
            write!(f, "{cell:>12}")?;
        }
    }
    Ok(())
}

const ANSWERS: [&str; 11] = [
    "due/s",
    "paid/s",
    "replayed/s",
    "409",
    "429",
    "503",
    "no answer",
    "hung up",
    "keys",
    "unanswered",
    "violations",
];

/// Latencies in milliseconds, first writes and then replays; busy processors; megabytes of the log.
const COSTS: [&str; 11] = [
    "due/s",
    "first p50",
    "p99",
    "p99.9",
    "replay p50",
    "p99",
    "p99.9",
    "client CPU",
    "nodes CPU",
    "DB CPU",
    "log MB/s",
];

/// The first ones of many.
const SHOWN: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_latency_that_so_many_do_not_exceed() {
        let sorted: Vec<_> = (1..=1000).map(Duration::from_millis).collect();
        for (per_mille, expected) in [(500, 500), (990, 990), (999, 999), (1000, 1000)] {
            let found = percentile(&sorted, per_mille);
            assert_eq!(found, Some(Duration::from_millis(expected)));
        }
        // One slow request of a hundred is above p99, and of fewer the slowest is.
        let sorted = [vec![Duration::ZERO; 99], vec![Duration::from_secs(1)]].concat();
        assert_eq!(percentile(&sorted, 990), Some(Duration::ZERO));
        assert_eq!(percentile(&sorted[1..], 990), Some(Duration::from_secs(1)));
        assert_eq!(percentile(&[], 500), None);
    }

    #[test]
    fn latencies_are_sorted_and_shown_in_milliseconds() {
        let latencies = [30, 10, 20].map(Duration::from_millis).to_vec();
        assert_eq!(Percentiles::of(latencies).cells(), ["20.0", "30.0", "30.0"]);
        assert_eq!(Percentiles::of(Vec::new()).cells(), ["n/a"; 3]);
    }
}
