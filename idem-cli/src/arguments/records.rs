//! The options of `records`.

use clap::{Args, Subcommand};

use super::consent::Consent;

#[derive(Debug, Subcommand)]
pub(crate) enum Records {
    /// Lists records in the order of scope, operation and key.
    List {
        #[command(flatten)]
        selection: Selection,
        /// Only records in this state.
        #[arg(long, value_parser = ["completed", "expired", "broken", "parked"])]
        state: Option<String>,
        /// The maximum number of records. A table has 100 unless you say more; JSON has all.
        #[arg(long)]
        limit: Option<u64>,
    },
    /// Counts records by operation, state and age. It reads them all.
    Count,
    /// Shows one record, and until when its late retries are refused.
    Show {
        #[command(flatten)]
        selection: Selection,
        /// Also print the stored headers and body, which belong to the client.
        #[arg(long)]
        body: bool,
    },
    /// Deletes one record, or the refusal of late retries that a swept one has left. Its key runs again: a second
    /// effect, unless the first was undone.
    Invalidate {
        /// The scope, as the list shows it.
        #[arg(long)]
        scope: String,
        /// Such as `POST /payments` or `inbox:ledger`.
        #[arg(long)]
        operation: String,
        #[command(flatten)]
        key: Key,
        #[command(flatten)]
        consent: Consent,
    },
    /// Deletes all records and dead letters of a scope, so that all of its keys run again.
    Erase {
        /// The scope, as the list shows it.
        #[arg(long)]
        scope: String,
        #[command(flatten)]
        consent: Consent,
    },
}

/// Records by their name. All records if nothing is given.
#[derive(Args, Debug)]
pub(crate) struct Selection {
    /// The scope, as the list shows it.
    #[arg(long)]
    pub(crate) scope: Option<String>,
    /// Such as `POST /payments` or `inbox:ledger`.
    #[arg(long)]
    pub(crate) operation: Option<String>,
    #[command(flatten)]
    pub(crate) key: OptionalKey,
}

/// A key, by itself or by its digest.
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct OptionalKey {
    /// The key as the client sent it, with or without the quotes of the header. With an operation
    /// `inbox:…` the id of a message, as it is.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// The digest of the key, as in the list and in the log. It reads all records that the other
    /// options select.
    #[arg(long)]
    pub(crate) digest: Option<String>,
}

/// A key that must be given, by itself or by its digest.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct Key {
    /// The key as the client sent it, with or without the quotes of the header. With an operation
    /// `inbox:…` the id of a message, as it is.
    #[arg(long)]
    key: Option<String>,
    /// The digest of the key, as in the list and in the log.
    #[arg(long)]
    digest: Option<String>,
}

impl Key {
    pub(crate) fn parts(&self) -> (Option<&str>, Option<&str>) {
        (self.key.as_deref(), self.digest.as_deref())
    }
}
