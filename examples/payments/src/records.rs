//! `payments idem …`: the records for an operator.

use std::error::Error;

use clap::Subcommand;
use idem_axum::{Idempotency, Invalidated, RecordFilter, RecordView, Scope};

use crate::database::Db;

type Done = Result<(), Box<dyn Error + Send + Sync>>;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists records: tenant, operation, digest of the key, state, status, when it was
    /// stored, size, reference.
    List {
        #[arg(long)]
        tenant: Option<String>,
        /// Such as `POST /payments` or `inbox:ledger`.
        #[arg(long)]
        operation: Option<String>,
        /// The key as the client sent it.
        #[arg(long)]
        key: Option<String>,
        /// The digest of the key, as in the log; this scans all records that the other options select.
        #[arg(long)]
        digest: Option<String>,
        #[arg(long, value_parser = ["completed", "expired", "broken", "parked"])]
        state: Option<String>,
    },
    /// Counts records by operation, state and age. It reads them all.
    Count,
    /// Deletes a record, so that its key runs again.
    Invalidate {
        #[arg(long)]
        tenant: String,
        #[arg(long)]
        operation: String,
        /// The key as the client sent it.
        #[arg(long, required_unless_present = "digest", conflicts_with = "digest")]
        key: Option<String>,
        /// The digest of the key, as in `list` and in the log.
        #[arg(long)]
        digest: Option<String>,
        /// Who requests it and why; the audit log contains it.
        #[arg(long)]
        by: String,
    },
    /// Deletes all records of a tenant's requests, so that all of its keys run again. The records of
    /// the worker's messages belong to no tenant.
    Erase {
        #[arg(long)]
        tenant: String,
        /// Who requests it and why; the audit log contains it.
        #[arg(long)]
        by: String,
    },
}

pub(crate) async fn run(idem: &Idempotency<Db>, command: &Command) -> Done {
    match command {
        Command::List {
            tenant,
            operation,
            key,
            digest,
            state,
        } => {
            let filter = filter(tenant.as_deref(), operation.as_deref(), key.as_deref())?;
            let is_meant = |view: &RecordView| {
                let has_digest = |digest: &String| view.name.key.digest() == *digest;
                let has_state = |state: &String| view.state.as_str() == state;
                digest.as_ref().is_none_or(has_digest) && state.as_ref().is_none_or(has_state)
            };
            let say_line = |view: &RecordView| say(&line(view));
            each(idem, &filter, |view| is_meant(view).then(|| say_line(view))).await
        }
        Command::Count => count(idem).await,
        Command::Invalidate {
            tenant,
            operation,
            key,
            digest,
            by,
        } => {
            let filter = filter(Some(tenant), Some(operation), key.as_deref())?;
            invalidate(idem, &filter, digest.as_deref(), by).await
        }
        Command::Erase { tenant, by } => {
            let erased = idem.erase(&Scope::new(tenant)?, by).await?;
            say(&format!("{erased} records"));
            Ok(())
        }
    }
}

fn filter(
    tenant: Option<&str>,
    operation: Option<&str>,
    key: Option<&str>,
) -> Result<RecordFilter, Box<dyn Error + Send + Sync>> {
    let mut filter = RecordFilter::default();
    if let Some(tenant) = tenant {
        filter = filter.scope(Scope::new(tenant)?);
    }
    if let Some(operation) = operation {
        filter = filter.operation(operation);
    }
    if let Some(key) = key {
        filter = filter.key(key.parse()?);
    }
    Ok(filter)
}

/// Prints each record that the filter selects.
async fn each<T>(
    idem: &Idempotency<Db>,
    filter: &RecordFilter,
    mut show: impl FnMut(&RecordView) -> T,
) -> Done {
    let mut last: Option<RecordView> = None;
    loop {
        let page = idem.records(filter, last.as_ref(), 100).await?;
        for view in &page {
            show(view);
        }
        match page.into_iter().next_back() {
            Some(view) => last = Some(view),
            None => return Ok(()),
        }
    }
}

fn line(view: &RecordView) -> String {
    let name = &view.name;
    format!(
        "{} {:?} {} {} {} {} {} bytes {}",
        name.scope.as_str(),
        name.operation.as_str(),
        name.key.digest(),
        view.state,
        view.status,
        humantime::format_rfc3339_seconds(view.stored_at),
        view.bytes,
        view.reference.as_deref().unwrap_or("-"),
    )
}

async fn count(idem: &Idempotency<Db>) -> Done {
    for count in idem.count_records().await? {
        let age = match count.within {
            Some(within) => format!("within {}", humantime::format_duration(within)),
            None => "older".to_owned(),
        };
        say(&format!(
            "{:?} {} {age} {}",
            count.operation, count.state, count.records
        ));
    }
    Ok(())
}

/// Exactly one record; `erase` deletes all of a tenant.
async fn invalidate(
    idem: &Idempotency<Db>,
    filter: &RecordFilter,
    digest: Option<&str>,
    by: &str,
) -> Done {
    let mut meant = None;
    each(idem, filter, |view| {
        if digest.is_none_or(|digest| view.name.key.digest() == digest) {
            meant = Some(view.name.clone());
        }
    })
    .await?;
    let name = meant.ok_or("there is no such record: `idem list` shows those that are there")?;
    match idem.invalidate(&name, by).await? {
        Invalidated::Gone => say("it is gone: its key runs again"),
        Invalidated::Absent => return Err("the record has gone meanwhile".into()),
        Invalidated::InFlight => {
            return Err("an attempt with its key runs: ask again when it has ended".into());
        }
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is the output of the command")]
fn say(line: &str) {
    println!("{line}");
}
