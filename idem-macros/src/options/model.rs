//! What the options in `#[idempotent(…)]` say.

use proc_macro2::Span;
use syn::{Ident, LitStr, Path, Type};

use crate::options::statuses::StoredStatuses;

/// All options. One that is missing or wrong has its default.
#[derive(Default)]
pub(crate) struct Options {
    pub(crate) scope: Scope,
    pub(crate) ttl: Option<Amount>,
    pub(crate) operation: Option<LitStr>,
    pub(crate) key_optional: bool,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) fingerprint_headers: Vec<String>,
    pub(crate) max_body: Option<Amount>,
    pub(crate) max_response: Option<Amount>,
    pub(crate) store: Option<StoredStatuses>,
    pub(crate) wait: Option<Amount>,
    /// `in_flight = "reject"`. Without the option the handle may wait by default.
    pub(crate) reject: bool,
    pub(crate) timeout: Option<Amount>,
    /// The place of the option, for errors.
    pub(crate) serializable: Option<Span>,
    pub(crate) state: Option<Type>,
    pub(crate) plain: Option<Ident>,
}

/// Whose keys these are.
#[derive(Default)]
pub(crate) enum Scope {
    #[default]
    Global,
    Named(LitStr),
    Type(Box<Type>),
}

/// What must not change between retries.
#[derive(Default)]
pub(crate) enum Fingerprint {
    #[default]
    Body,
    Json,
    With(Path),
}

/// A number with the text it was written as.
pub(crate) struct Amount {
    pub(crate) value: u64,
    pub(crate) text: LitStr,
}
