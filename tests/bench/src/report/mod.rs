//! The report: what the figures depend on, then the tables as they are measured.

mod counts;
mod storm;
mod timed;

use std::env::consts::{ARCH, OS};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::thread;

use serde::Serialize;

pub(crate) use self::counts::{CountedTable, Counts};
pub(crate) use self::storm::{StormRow, StormTable};
pub(crate) use self::timed::{Table, median};
use crate::options::Plan;
use crate::sides::Sides;

/// Writes each table as soon as it is measured, and keeps it for the JSON document.
pub(crate) struct Report {
    out: Box<dyn Write>,
    document: Document,
}

/// All figures of a run.
#[derive(Debug, Serialize)]
struct Document {
    machine: Machine,
    plan: Plan,
    timed: Vec<Table>,
    counted: Vec<CountedTable>,
    storms: Vec<StormTable>,
    notes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Machine {
    cores: usize,
    os: &'static str,
    architecture: &'static str,
    is_debug_build: bool,
}

impl Report {
    /// Begins with what the figures depend on.
    pub(crate) fn begin(mut out: Box<dyn Write>, plan: &Plan) -> io::Result<Self> {
        let machine = Machine {
            cores: thread::available_parallelism()?.get(),
            os: OS,
            architecture: ARCH,
            is_debug_build: cfg!(debug_assertions),
        };
        let build = match machine.is_debug_build {
            true => "a debug build, which measures nothing of use",
            false => "a release build",
        };
        writeln!(
            out,
            "{} cores, {OS}, {ARCH}, {build}; {} rounds after one of warm-up, {:?} per side; \
             pools of {} connections; {} stored responses",
            machine.cores, plan.rounds, plan.turn, plan.pool_size, plan.stored
        )?;
        let document = Document {
            machine,
            plan: plan.clone(),
            timed: Vec::new(),
            counted: Vec::new(),
            storms: Vec::new(),
            notes: Vec::new(),
        };
        Ok(Self { out, document })
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
                self.document.timed.push(table);
            }
        }
        Ok(())
    }

    pub(crate) fn counted(&mut self, table: CountedTable) -> io::Result<()> {
        writeln!(self.out, "\n{table}")?;
        self.document.counted.push(table);
        Ok(())
    }

    pub(crate) fn storm(&mut self, table: StormTable) -> io::Result<()> {
        writeln!(self.out, "\n{table}")?;
        self.document.storms.push(table);
        Ok(())
    }

    /// Adds a line about the table before.
    pub(crate) fn note(&mut self, note: String) -> io::Result<()> {
        writeln!(self.out, "{note}")?;
        self.document.notes.push(note);
        Ok(())
    }

    /// Writes all figures to a file, as JSON.
    pub(crate) fn save(&self, file: &Path) -> io::Result<()> {
        let file = BufWriter::new(File::create(file)?);
        serde_json::to_writer_pretty(file, &self.document).map_err(io::Error::other)
    }

    /// All figures, for tests.
    #[cfg(test)]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::to_value(&self.document).unwrap()
    }
}
