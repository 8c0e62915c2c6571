//! The commands and their options.

use clap::{Args, Subcommand};

pub(crate) use self::consent::Consent;
pub(crate) use self::dead_letters::{DeadLetters, Which};
pub(crate) use self::records::{Records, Selection};
pub(crate) use self::rollout::Rollout;
use crate::output::Output;

mod consent;
mod dead_letters;
mod records;
mod rollout;

/// The commands that an application embeds as a subcommand of its own.
#[derive(Args, Debug)]
pub struct Arguments {
    /// Print JSON, one object per line, instead of tables.
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Arguments {
    pub(crate) fn output(&self) -> Output {
        match self.json {
            true => Output::Json,
            false => Output::Text,
        }
    }

    /// Whether the command may create a database that does not exist, which only a file can do.
    #[cfg(feature = "sqlite")]
    pub(crate) fn may_create(&self) -> bool {
        matches!(&self.command, Command::Migrate(migrate) if !migrate.dry_run && !migrate.sql)
    }
}

/// Above the options that each command has.
pub(crate) const EVERYWHERE: &str = "Options of every command";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Creates or updates Idem's tables: says which migrations are missing, then runs them.
    Migrate(Migrate),
    /// Says which tables, functions and grants are missing; exits with 3 if any is.
    Check,
    /// The stored responses, one record for each key.
    #[command(subcommand)]
    Records(Records),
    /// The messages that have failed as often as they may.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// The table of rollout rules, which all nodes follow.
    #[command(subcommand)]
    Rollout(Rollout),
}

#[derive(Args, Debug)]
pub(crate) struct Migrate {
    /// Only say what it would do.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only print the statements that it would run.
    #[arg(long)]
    pub(crate) sql: bool,
}
