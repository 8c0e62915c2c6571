//! `migrate` and `check`: Idem's tables, and the grants on them.

use std::io::{self, Write};

use idem_core::{Backend, CheckError, Idempotency, PendingMigration};
use serde::Serialize;

use crate::arguments::Migrate;
use crate::failure::Failure;
use crate::output::text::escape_lines;
use crate::output::{Output, hint, json};

/// The result of `migrate`.
#[derive(Serialize)]
struct Migrated {
    /// What was missing before.
    missing: Vec<Missing>,
    /// Whether it was run.
    applied: bool,
}

#[derive(Serialize)]
struct Missing {
    version: i64,
    name: &'static str,
}

impl From<&PendingMigration> for Missing {
    fn from(migration: &PendingMigration) -> Self {
        Self {
            version: migration.version,
            name: migration.name,
        }
    }
}

pub(crate) async fn migrate<DB: Backend>(
    idem: &Idempotency<DB>,
    migrate: &Migrate,
    output: Output,
) -> Result<(), Failure> {
    let pending = idem.pending_migrations().await?;
    if migrate.sql {
        return Ok(print_sql(&pending, output)?);
    }
    let names: Vec<_> = pending.iter().map(file_name).collect();
    if output == Output::Text && !names.is_empty() {
        let printed = writeln!(io::stdout(), "missing: {}", names.join(", "));
        printed.map_err(Failure::after("nothing was changed"))?;
    }
    if !migrate.dry_run {
        // Also if nothing is missing: it compares what was applied with what this build has.
        idem.migrate().await?;
    }
    let done = Migrated {
        missing: pending.iter().map(Missing::from).collect(),
        applied: !migrate.dry_run,
    };
    let sentence = match (names.is_empty(), migrate.dry_run) {
        (true, _) => "nothing is missing",
        (false, true) => "nothing was changed",
        (false, false) => "applied",
    };
    let printed = output.result(&done, sentence);
    printed.map_err(Failure::after(sentence))
}

/// The name of the file in idem-core's folder `migrations`.
fn file_name(migration: &PendingMigration) -> String {
    format!("{:04}_{}.sql", migration.version, migration.name)
}

/// A migration and its statements.
#[derive(Serialize)]
struct Statements {
    #[serde(flatten)]
    migration: Missing,
    sql: &'static str,
}

fn print_sql(pending: &[PendingMigration], output: Output) -> io::Result<()> {
    for migration in pending {
        let sql = migration.sql;
        match output {
            Output::Text => writeln!(io::stdout(), "-- {}\n{sql}", file_name(migration))?,
            Output::Json => json::print(&Statements {
                migration: Missing::from(migration),
                sql,
            })?,
        }
    }
    Ok(())
}

/// The result of `check`.
#[derive(Serialize)]
struct Checked {
    ready: bool,
    missing: Vec<String>,
}

pub(crate) async fn check<DB: Backend>(
    idem: &Idempotency<DB>,
    output: Output,
) -> Result<(), Failure> {
    let missing = match idem.check().await {
        Ok(()) => Vec::new(),
        Err(CheckError::NotReady(missing)) => missing,
        Err(error) => return Err(error.into()),
    };
    let ready = missing.is_empty();
    if ready {
        let checked = Checked { ready, missing };
        return Ok(output.result(&checked, "ready")?);
    }
    let number = missing.len();
    let lines = missing.join("\n");
    let printed = match output {
        Output::Json => output.result(&Checked { ready, missing }, ""),
        Output::Text => writeln!(io::stdout(), "{}", escape_lines(&lines)),
    };
    // Nobody may take the end of an unread list for a yes.
    printed.map_err(Failure::after(format!("not ready: {number} missing")))?;
    hint(MIGRATE);
    Err(Failure::No(format!("not ready: {number} missing")))
}

/// The failure of a command on a database that lacks something.
pub(crate) fn not_ready(missing: CheckError) -> Failure {
    hint(MIGRATE);
    missing.into()
}

const MIGRATE: &str = "the command `migrate` creates and updates the tables; grants are up to you";
