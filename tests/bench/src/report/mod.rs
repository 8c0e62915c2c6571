//! The report: what the figures depend on, then the tables as they are measured.

mod counts;
mod timed;

use std::env::consts::{ARCH, OS};
use std::io::{self, Write};
use std::thread;

pub(crate) use self::counts::{CountedTable, Counts};
pub(crate) use self::timed::Table;
use crate::options::Plan;
use crate::sides::Sides;

/// Writes each table as soon as it is measured.
pub(crate) struct Report {
    out: Box<dyn Write>,
    timed: Vec<Table>,
    counted: Vec<CountedTable>,
}

impl Report {
    pub(crate) fn new(out: Box<dyn Write>) -> Self {
        Self {
            out,
            timed: Vec::new(),
            counted: Vec::new(),
        }
    }

    /// What the figures depend on.
    pub(crate) fn header(&mut self, plan: &Plan) -> io::Result<()> {
        let cores = thread::available_parallelism().unwrap();
        let build = match cfg!(debug_assertions) {
            true => "a debug build, which measures nothing of use",
            false => "a release build",
        };
        writeln!(
            self.out,
            "{cores} cores, {OS}, {ARCH}, {build}; {} rounds after one of warm-up, {:?} per side; \
             pools of {} connections; {} stored responses",
            plan.rounds, plan.turn, plan.pool_size, plan.stored
        )
    }

    /// Measures these comparisons with each of these numbers of workers.
    pub(crate) async fn measure<'s>(
        &mut self,
        database: &'static str,
        comparisons: impl IntoIterator<Item = &'s Sides>,
        at_once: &[usize],
        plan: &Plan,
    ) -> io::Result<()> {
        for sides in comparisons {
            for at_once in at_once {
                let rounds = sides.rounds(*at_once, plan).await;
                let table = Table::of(database, sides, *at_once, &rounds);
                writeln!(self.out, "\n{table}")?;
                self.timed.push(table);
            }
        }
        Ok(())
    }

    pub(crate) fn counted(&mut self, table: CountedTable) -> io::Result<()> {
        writeln!(self.out, "\n{table}")?;
        self.counted.push(table);
        Ok(())
    }

    /// How many sides each timed table of this title has, or each counted one.
    #[cfg(test)]
    pub(crate) fn rows(&self, what: &str) -> Vec<usize> {
        match what {
            "counted" => self.counted.iter().map(|table| table.rows.len()).collect(),
            _ => {
                let titled = self.timed.iter().filter(|table| table.what == what);
                titled.map(|table| table.rows.len()).collect()
            }
        }
    }
}
