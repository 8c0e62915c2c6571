//! A table of what was counted, with a row for each side.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The mean of each count over requests of one side. `None`: it cannot be read.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Counts {
    pub(crate) side: String,
    pub(crate) messages: Option<f64>,
    pub(crate) statements: Option<f64>,
    pub(crate) app_cpu_ms: Option<f64>,
    pub(crate) server_cpu_ms: Option<f64>,
    pub(crate) transaction_ids: Option<f64>,
    /// Of the write-ahead or redo log.
    pub(crate) log_bytes: Option<f64>,
    /// Of the table and its indexes.
    pub(crate) bytes_per_key: Option<f64>,
}

/// The counts of one comparison.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct CountedTable {
    pub(crate) database: String,
    pub(crate) what: String,
    pub(crate) rows: Vec<Counts>,
}

impl fmt::Display for CountedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            database,
            what,
            rows,
        } = self;
        write!(f, "{database}, {what}, counted per request\n{:22}", "")?;
        for column in COLUMNS {
            write!(f, "{column:>13}")?;
        }
        for row in rows {
            write!(f, "\n  {:20}", row.side)?;
            for (count, digits) in row.columns() {
                match count {
                    Some(count) => write!(f, "{count:>13.digits$}")?,
                    None => write!(f, "{:>13}", "n/a")?,
                }
            }
        }
        Ok(())
    }
}

impl Counts {
    /// In the order of [`COLUMNS`], with the decimal places of each.
    pub(crate) fn columns(&self) -> [(Option<f64>, usize); COLUMNS.len()] {
        [
            (self.messages, 1),
            (self.statements, 1),
            (self.app_cpu_ms, 3),
            (self.server_cpu_ms, 3),
            (self.transaction_ids, 2),
            (self.log_bytes, 0),
            (self.bytes_per_key, 0),
        ]
    }
}

pub(crate) const COLUMNS: [&str; 7] = [
    "messages",
    "statements",
    "app CPU ms",
    "DB CPU ms",
    "xids",
    "log bytes",
    "bytes/key",
];
