//! A table of what was timed, with a row for each side.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::sides::{Round, Sides};
use crate::turn::Turn;

/// One comparison with so many workers at once.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Table {
    pub(crate) database: String,
    pub(crate) what: String,
    pub(crate) at_once: usize,
    pub(crate) rows: Vec<Row>,
}

/// The medians of a side over the rounds.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) side: String,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// The throughput beside that of each reference.
    pub(crate) ratios: Vec<Ratio>,
    turns: Vec<Turn>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Ratio {
    pub(crate) to: String,
    pub(crate) median: f64,
    /// Between these two lie half of the rounds.
    pub(crate) quartiles: [f64; 2],
}

impl Table {
    pub(crate) fn of(database: &str, sides: &Sides, at_once: usize, rounds: &[Round]) -> Self {
        let row = |n: usize| {
            let turns: Vec<_> = rounds.iter().map(|round| round[n]).collect();
            let median_of = |of: fn(&Turn) -> f64| median(turns.iter().map(of));
            let ratio = |reference: usize| {
                let ratio = |round: &Round| round[n].per_second / round[reference].per_second;
                Ratio::of(
                    sides.sides[reference].name.clone(),
                    rounds.iter().map(ratio),
                )
            };
            Row {
                side: sides.sides[n].name.clone(),
                per_second: median_of(|turn| turn.per_second),
                p50_ms: median_of(|turn| turn.p50_ms),
                p99_ms: median_of(|turn| turn.p99_ms),
                ratios: (0..sides.references).map(ratio).collect(),
                turns,
            }
        };
        Self {
            database: database.to_owned(),
            what: sides.what.clone(),
            at_once,
            rows: (0..sides.sides.len()).map(row).collect(),
        }
    }
}

impl Ratio {
    fn of(to: String, ratios: impl Iterator<Item = f64>) -> Self {
        let ratios = sorted(ratios);
        let quarter = ratios.len() / 4;
        Self {
            to,
            median: median(ratios.iter().copied()),
            quartiles: [ratios[quarter], ratios[ratios.len() - 1 - quarter]],
        }
    }
}

/// The quartiles are shown for the first reference only.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            database,
            what,
            at_once,
            rows,
        } = self;
        writeln!(f, "{database}, {what}, {at_once} at once")?;
        write!(f, "{:22}{:>11}", "", "requests/s")?;
        for (n, ratio) in rows[0].ratios.iter().enumerate() {
            write!(f, "{:>16}", format!("/ {}", ratio.to))?;
            if n == 0 {
                write!(f, "{:>14}", "quartiles")?;
            }
        }
        write!(f, "{:>9}{:>9}", "p50 ms", "p99 ms")?;
        for row in rows {
            write!(f, "\n  {:20}{:>11.0}", row.side, row.per_second)?;
            for (n, ratio) in row.ratios.iter().enumerate() {
                write!(f, "{:>16.2}", ratio.median)?;
                if n == 0 {
                    let [low, high] = ratio.quartiles;
                    write!(f, "{:>14}", format!("{low:.2}-{high:.2}"))?;
                }
            }
            write!(f, "{:>9.2}{:>9.2}", row.p50_ms, row.p99_ms)?;
        }
        Ok(())
    }
}

fn sorted(figures: impl IntoIterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.into_iter().collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures
}

pub(crate) fn median(figures: impl IntoIterator<Item = f64>) -> f64 {
    let sorted = sorted(figures);
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}
