//! The report: what the figures depend on, then the tables as they are measured.

mod counts;
mod document;
mod load;
mod storm;
mod timed;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

pub(crate) use self::counts::{COLUMNS, CountedTable, Counts};
pub(crate) use self::document::{Document, Product};
pub(crate) use self::load::{Cores, LoadRow, LoadTable};
pub(crate) use self::storm::{EFFECTS, StormRow, StormTable};
pub(crate) use self::timed::{Table, median};
use crate::options::Plan;
use crate::sides::Sides;

/// Writes each table as soon as it is measured, and keeps it for the JSON document.
pub(crate) struct Report {
    out: Box<dyn Write>,
    document: Document,
}

impl Report {
    /// Begins with what the figures depend on.
    pub(crate) fn begin(mut out: Box<dyn Write>, plan: &Plan) -> io::Result<Self> {
        let document = Document::new(plan.clone())?;
        writeln!(out, "{}; {plan}", document.machine)?;
        Ok(Self { out, document })
    }

    /// Adds the database that is measured next.
    pub(crate) fn database(&mut self, product: Product) -> io::Result<()> {
        let Product {
            name,
            version,
            date,
        } = &product;
        if !self.document.databases.contains(&product) {
            writeln!(self.out, "\n{name} {version}, {date}")?;
            self.document.databases.push(product);
        }
        Ok(())
    }

    /// Measures these comparisons with each of these numbers of workers.
    pub(crate) async fn measure<'s>(
        &mut self,
        database: &str,
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

    pub(crate) fn load(&mut self, table: LoadTable) -> io::Result<()> {
        writeln!(self.out, "\n{table}")?;
        self.document.loads.push(table);
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

    /// How many violations all loads have found.
    pub(crate) fn violations(&self) -> usize {
        let rows = self.document.loads.iter().flat_map(|load| &load.rows);
        rows.map(|row| row.violations.len()).sum()
    }

    /// All figures, for tests.
    #[cfg(test)]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::to_value(&self.document).unwrap()
    }
}
