//! What a command prints: a table for people, or JSON for programs.

use std::io::{self, Write};

use comfy_table::{Table, presets};
use serde::Serialize;

pub(crate) mod content;
pub(crate) mod json;
pub(crate) mod text;
pub(crate) mod time;

use self::text::escape;

/// The form of the output.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Output {
    /// Tables and sentences.
    Text,
    /// One JSON object per line.
    Json,
}

/// An entry of a list: its fields as JSON, and as the cells of a table.
pub(crate) trait Entry: Serialize {
    /// The heads of the columns.
    const HEAD: &'static [&'static str];

    /// The cells, as they are stored; the table escapes them.
    fn cells(&self) -> Vec<String>;
}

impl Output {
    /// How many entries a list has at most. A program wants all, a person can ask for more.
    pub(crate) fn limit(self, asked: Option<u64>) -> u64 {
        match self {
            Self::Text => asked.unwrap_or(100),
            Self::Json => asked.unwrap_or(u64::MAX),
        }
    }

    /// Begins a list.
    pub(crate) fn list<E: Entry>(self) -> List<E> {
        let mut table = table();
        table.set_header(E::HEAD);
        let is_empty = true;
        List {
            output: self,
            table,
            is_empty,
            entries: std::marker::PhantomData,
        }
    }

    /// Prints one result: a JSON object, or a sentence.
    pub(crate) fn result(self, object: &impl Serialize, sentence: &str) -> io::Result<()> {
        match self {
            Self::Json => json::print(object),
            Self::Text => writeln!(io::stdout(), "{}", text::printable(sentence)),
        }
    }

    /// Prints one entry with all its fields, one below the other.
    pub(crate) fn details<E: Entry>(self, entry: &E) -> io::Result<()> {
        if self == Self::Json {
            return json::print(entry);
        }
        let mut table = table();
        for (head, cell) in E::HEAD.iter().zip(entry.cells()) {
            table.add_row([(*head).to_owned(), escape(&cell)]);
        }
        print(&table)
    }
}

/// A list that is being printed: JSON line by line, a table at its end.
#[must_use = "it is to be finished"]
pub(crate) struct List<E> {
    output: Output,
    table: Table,
    is_empty: bool,
    entries: std::marker::PhantomData<E>,
}

impl<E: Entry> List<E> {
    pub(crate) fn push(&mut self, entry: &E) -> io::Result<()> {
        if self.output == Output::Json {
            return json::print(entry);
        }
        self.is_empty = false;
        self.table
            .add_row(entry.cells().iter().map(|cell| escape(cell)));
        Ok(())
    }

    /// Prints the table. An empty one is not printed.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self.is_empty {
            true => Ok(()),
            false => print(&self.table),
        }
    }
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table
}

/// Prints the lines of a table without the spaces around them.
fn print(table: &Table) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    for line in table.lines() {
        writeln!(stdout, "{}", line.trim())?;
    }
    stdout.flush()
}

/// Says something that is no result to the person, not to the pipe.
pub(crate) fn hint(text: &str) {
    // Whoever closed standard error does not want to know.
    drop(writeln!(io::stderr(), "idem: {}", text::printable(text)));
}
