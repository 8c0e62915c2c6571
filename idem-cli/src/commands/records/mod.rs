//! `records`: what is stored of requests and messages.

use idem_core::{Backend, Idempotency, RecordCount};
use serde::Serialize;

use crate::arguments::Records;
use crate::failure::Failure;
use crate::output::{Entry, Output};

mod change;
mod entry;
mod list;
mod select;
mod show;

pub(crate) async fn run<DB: Backend>(
    idem: &Idempotency<DB>,
    command: &Records,
    output: Output,
) -> Result<(), Failure> {
    match command {
        Records::List {
            selection,
            state,
            limit,
        } => list::run(idem, selection, state.as_deref(), *limit, output).await,
        Records::Count => count(idem, output).await,
        Records::Show { selection, body } => show::run(idem, selection, *body, output).await,
        Records::Invalidate {
            scope,
            operation,
            key,
            consent,
        } => {
            let selected = select::Selected::new(Some(scope), Some(operation), key.parts())?;
            change::invalidate(idem, &selected, consent, output).await
        }
        Records::Erase { scope, consent } => {
            change::erase(idem, &select::scope(scope)?, consent, output).await
        }
    }
}

#[derive(Serialize)]
struct CountEntry {
    operation: String,
    state: &'static str,
    /// Stored within this time and not within the next shorter one; `None`: longer ago.
    within_seconds: Option<u64>,
    records: u64,
}

impl Entry for CountEntry {
    const HEAD: &'static [&'static str] = &["OPERATION", "STATE", "STORED", "RECORDS"];

    fn cells(&self) -> Vec<String> {
        let stored = match self.within_seconds {
            Some(3_600) => "within 1h",
            Some(_) => "within 1day",
            None => "longer ago",
        };
        vec![
            self.operation.clone(),
            self.state.to_owned(),
            stored.to_owned(),
            self.records.to_string(),
        ]
    }
}

impl From<RecordCount> for CountEntry {
    fn from(count: RecordCount) -> Self {
        Self {
            operation: count.operation,
            state: count.state.as_str(),
            within_seconds: count.within.map(|within| within.as_secs()),
            records: count.records,
        }
    }
}

async fn count<DB: Backend>(idem: &Idempotency<DB>, output: Output) -> Result<(), Failure> {
    let mut list = output.list::<CountEntry>();
    for count in idem.count_records().await? {
        list.push(&count.into())?;
    }
    Ok(list.finish()?)
}
