//! The figures of one or several runs.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;

use crate::report::{CountedTable, Document, StormTable, Table};

/// A table that several runs have is that of the last one.
#[derive(Default)]
pub(super) struct Figures {
    /// What the figures of each run depend on.
    pub(super) conditions: Vec<String>,
    pub(super) timed: Vec<Table>,
    pub(super) counted: Vec<CountedTable>,
    pub(super) storms: Vec<StormTable>,
    pub(super) notes: Vec<String>,
}

impl Figures {
    pub(super) fn read(files: &[PathBuf]) -> io::Result<Self> {
        let documents = files.iter().map(|file| {
            let file = BufReader::new(File::open(file)?);
            serde_json::from_reader(file).map_err(io::Error::other)
        });
        Ok(Self::of(documents.collect::<io::Result<Vec<_>>>()?))
    }

    pub(super) fn of(documents: impl IntoIterator<Item = Document>) -> Self {
        let mut all = Self::default();
        for run in documents {
            all.conditions.push(conditions(&run));
            replace(&mut all.timed, run.timed, |one| {
                (one.database.clone(), one.what.clone(), one.at_once)
            });
            replace(&mut all.counted, run.counted, |one| {
                (one.database.clone(), one.what.clone())
            });
            replace(&mut all.storms, run.storms, |one| one.database.clone());
            all.notes.extend(run.notes);
        }
        all
    }

    /// What was compared, in the order of the tables.
    pub(super) fn comparisons(&self) -> Vec<&str> {
        distinct(self.timed.iter().map(|table| &*table.what))
    }

    /// The tables of one comparison.
    pub(super) fn of_comparison(&self, what: &str) -> Vec<&Table> {
        let tables = self.timed.iter();
        tables.filter(|table| table.what == what).collect()
    }
}

fn conditions(run: &Document) -> String {
    let databases = run.databases.iter();
    let databases = databases.map(|one| format!("{} {} on {}", one.name, one.version, one.date));
    let databases: Vec<_> = databases.collect();
    format!("{}. {}; {}.", databases.join(", "), run.machine, run.plan)
}

fn replace<T, K: PartialEq>(all: &mut Vec<T>, newer: Vec<T>, key: impl Fn(&T) -> K) {
    all.retain(|old| newer.iter().all(|new| key(new) != key(old)));
    all.extend(newer);
}

/// Each of them once, in the order of their first appearance.
pub(super) fn distinct<T: PartialEq>(all: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut distinct = Vec::new();
    for one in all {
        if !distinct.contains(&one) {
            distinct.push(one);
        }
    }
    distinct
}
