//! `records invalidate` and `records erase`.

use idem_core::{Backend, Idempotency, Invalidated, RecordName, RecordView, Scope};
use serde::Serialize;

use super::entry::RecordEntry;
use super::select::{Selected, no_record};
use crate::arguments::Consent;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::text::{counted, escape};

/// The result of `invalidate`.
#[derive(Serialize)]
struct Gone {
    invalidated: bool,
    /// `None`: it was swept, and its key was refused.
    record: Option<RecordEntry>,
}

/// Exactly one record, or what a swept one has left behind; `erase` deletes all of a scope.
pub(super) async fn invalidate<DB: Backend>(
    idem: &Idempotency<DB>,
    selected: &Selected,
    consent: &Consent,
    output: Output,
) -> Result<(), Failure> {
    let view = selected.at_most_one(idem).await?;
    let name = view.as_ref().map(|view| &view.name);
    let name = name.or_else(|| selected.name()).ok_or_else(no_record)?;
    confirm(consent.yes, &effect(name, view.as_ref())).await?;
    match idem.invalidate(name, &consent.by).await? {
        Invalidated::Gone => {
            let gone = Gone {
                invalidated: true,
                record: view.as_ref().map(RecordEntry::from),
            };
            let printed = output.result(&gone, "it is gone: its key runs again");
            printed.map_err(Failure::after("the key runs again"))
        }
        Invalidated::Absent if view.is_none() => Err(no_record()),
        Invalidated::Absent => Err(Failure::No("the record has gone meanwhile".to_owned())),
        Invalidated::InFlight => Err(Failure::No(
            "an attempt with its key runs: ask again when it has ended".to_owned(),
        )),
    }
}

fn effect(name: &RecordName, view: Option<&RecordView>) -> String {
    let named = format!(
        "{} of {} in the scope {}",
        name.key.digest(),
        escape(name.operation.as_str()),
        escape(name.scope.as_str()),
    );
    match view {
        Some(RecordView { state, status, .. }) => {
            format!("this deletes 1 record, {named} ({state}, status {status}): its key runs again")
        }
        None => format!(
            "there is no record {named}: if its late retries are refused, its key runs again"
        ),
    }
}

/// The result of `erase`.
#[derive(Serialize)]
struct Erased {
    records: u64,
}

pub(super) async fn erase<DB: Backend>(
    idem: &Idempotency<DB>,
    scope: &Scope,
    consent: &Consent,
    output: Output,
) -> Result<(), Failure> {
    let stored = idem.count_scope(scope).await?;
    let shown = escape(scope.as_str());
    if (stored.records, stored.failed_messages) == (0, 0) {
        return Err(Failure::No(format!(
            "nothing is stored of the scope {shown}"
        )));
    }
    let effect = format!(
        "this deletes {} and {} of the scope {shown}: each of its keys runs again",
        counted(stored.records, "record"),
        counted(stored.failed_messages, "failed message"),
    );
    confirm(consent.yes, &effect).await?;
    let records = idem.erase(scope, &consent.by).await?;
    let erased = format!("{} erased", counted(records, "record"));
    let printed = output.result(&Erased { records }, &erased);
    printed.map_err(Failure::after(erased))
}
