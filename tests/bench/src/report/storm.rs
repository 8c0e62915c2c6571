//! A table of what a storm of duplicates does to others, with a row for each side.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::storm::Watched;

/// What storms have done at each node.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct StormTable {
    pub(crate) database: String,
    pub(crate) duplicates: usize,
    pub(crate) rows: Vec<StormRow>,
}

/// Ratios are those of a storm to a calm.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct StormRow {
    pub(crate) side: String,
    /// How many connections a storm alone used at most.
    pub(crate) connections: u32,
    /// The same while others write.
    pub(crate) connections_with_others: u32,
    /// How often the handler has run in the storm with the most runs.
    pub(crate) runs: usize,
    /// How long the slowest duplicate has waited.
    pub(crate) slowest_ms: f64,
    pub(crate) others_throughput: f64,
    pub(crate) others_p99: f64,
}

impl StormRow {
    /// The row after a storm alone.
    pub(crate) fn new(side: &str, alone: Watched) -> Self {
        Self {
            side: side.to_owned(),
            connections: alone.connections,
            runs: alone.runs,
            ..Self::default()
        }
    }

    /// In the order of [`EFFECTS`].
    pub(crate) fn effects(&self) -> [String; EFFECTS.len()] {
        [
            self.runs.to_string(),
            format!("{:.0}", self.slowest_ms),
            self.connections.to_string(),
            self.connections_with_others.to_string(),
            format!("{:.2}", self.others_throughput),
            format!("{:.2}", self.others_p99),
        ]
    }

    /// Adds a storm while others write.
    pub(crate) fn add(&mut self, watched: Watched, slowest_ms: f64) {
        self.connections_with_others = self.connections_with_others.max(watched.connections);
        self.runs = self.runs.max(watched.runs);
        self.slowest_ms = self.slowest_ms.max(slowest_ms);
    }
}

impl fmt::Display for StormTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            database,
            duplicates,
            rows,
        } = self;
        writeln!(f, "{database}, a storm of {duplicates} duplicates")?;
        write!(f, "{:22}", "")?;
        for effect in EFFECTS {
            write!(f, "{effect:>20}")?;
        }
        for row in rows {
            write!(f, "\n  {:20}", row.side)?;
            for effect in row.effects() {
                write!(f, "{effect:>20}")?;
            }
        }
        Ok(())
    }
}

/// What a row says of a storm.
pub(crate) const EFFECTS: [&str; 6] = [
    "handler runs",
    "slowest ms",
    "connections",
    "… with others",
    "others' requests/s",
    "others' p99",
];
