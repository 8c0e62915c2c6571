//! `records invalidate` and `records erase`.

use idem_core::{Backend, Idempotency, Invalidated, Scope};
use serde::Serialize;

use super::entry::RecordEntry;
use super::select::Selected;
use crate::arguments::Consent;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::Output;
use crate::output::text::{counted, escape};

/// The result of `invalidate`.
#[derive(Serialize)]
struct Gone {
    invalidated: bool,
    record: RecordEntry,
}

/// Exactly one record; `erase` deletes all of a scope.
pub(super) async fn invalidate<DB: Backend>(
    idem: &Idempotency<DB>,
    selected: &Selected,
    consent: &Consent,
    output: Output,
) -> Result<(), Failure> {
    let view = selected.one(idem).await?;
    let name = &view.name;
    let effect = format!(
        "this deletes 1 record, {} of {} in the scope {} ({}, status {}): its key runs again",
        name.key.digest(),
        escape(name.operation.as_str()),
        escape(name.scope.as_str()),
        view.state,
        view.status,
    );
    confirm(consent.yes, &effect).await?;
    match idem.invalidate(name, &consent.by).await? {
        Invalidated::Gone => {
            let gone = Gone {
                invalidated: true,
                record: RecordEntry::from(&view),
            };
            Ok(output.result(&gone, "it is gone: its key runs again")?)
        }
        Invalidated::Absent => Err(Failure::No("the record has gone meanwhile".to_owned())),
        Invalidated::InFlight => Err(Failure::No(
            "an attempt with its key runs: ask again when it has ended".to_owned(),
        )),
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
    Ok(output.result(
        &Erased { records },
        &format!("{} erased", counted(records, "record")),
    )?)
}
