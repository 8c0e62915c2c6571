//! `payments idem …`: the records for an operator.

use std::error::Error;

use clap::{Args, Subcommand};
use idem_axum::core::{RecordFilter, RecordView};
use idem_axum::{Idempotency, Scope};

use crate::database::Db;

type Done = Result<(), Box<dyn Error + Send + Sync>>;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists records: tenant, operation, digest of the key, state, status, when it was
    /// stored, size, reference.
    List(Which),
    /// Counts records by operation, state and age. It reads them all.
    Count,
    /// Forgets the records that are named, so that their keys run again.
    Invalidate {
        #[command(flatten)]
        which: Which,
        /// Who wants it so, and why: it stands in the log.
        #[arg(long)]
        by: String,
    },
    /// Deletes all records and dead letters of a tenant.
    Erase {
        #[arg(long)]
        tenant: String,
    },
}

/// Narrows what is meant.
#[derive(Args, Debug)]
pub(crate) struct Which {
    #[arg(long)]
    tenant: Option<String>,
    /// As `POST /payments`.
    #[arg(long)]
    operation: Option<String>,
    /// The key as the client has sent it.
    #[arg(long)]
    key: Option<String>,
}

impl Which {
    fn filter(&self) -> Result<RecordFilter, Box<dyn Error + Send + Sync>> {
        let mut filter = RecordFilter::default();
        if let Some(tenant) = &self.tenant {
            filter = filter.scope(Scope::new(tenant)?);
        }
        if let Some(operation) = &self.operation {
            filter = filter.operation(operation);
        }
        if let Some(key) = &self.key {
            filter = filter.key(key.parse()?);
        }
        Ok(filter)
    }
}

pub(crate) async fn run(idem: &Idempotency<Db>, command: &Command) -> Done {
    match command {
        Command::List(which) => list(idem, which).await,
        Command::Count => count(idem).await,
        Command::Invalidate { which, by } => invalidate(idem, which, by).await,
        Command::Erase { tenant } => {
            let erased = idem.erase(&Scope::new(tenant)?).await?;
            say(&format!("{erased} records"));
            Ok(())
        }
    }
}

async fn list(idem: &Idempotency<Db>, which: &Which) -> Done {
    let filter = which.filter()?;
    let mut last: Option<RecordView> = None;
    loop {
        let page = idem.records(&filter, last.as_ref(), 100).await?;
        for view in &page {
            say(&line(view));
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

/// One that is named exactly: whoever means many may erase a tenant.
async fn invalidate(idem: &Idempotency<Db>, which: &Which, by: &str) -> Done {
    if which.tenant.is_none() || which.operation.is_none() || which.key.is_none() {
        return Err("say --tenant, --operation and --key".into());
    }
    let found = idem.records(&which.filter()?, None, 1).await?;
    match found.first() {
        Some(view) => say(&format!("{:?}", idem.invalidate(&view.name, by).await?)),
        None => say("Absent"),
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "it is what was asked for")]
fn say(line: &str) {
    println!("{line}");
}
