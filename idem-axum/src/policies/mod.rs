//! What the program's operations promise their clients, from the options of their attributes.
//!
//! | file | what it has |
//! | --- | --- |
//! | `registry` | the handlers that were linked into the program |
//! | `documented` | what `#[utoipa::path]` says about a handler |
//! | `operation` | the policy of one operation |
//! | `published` | the policies of all, as JSON |
//! | `page` | the same as a page for people |
//! | `check` | mistakes that only the whole program shows |
//!
//! Sections 2.3 and 2.5.2 of draft-ietf-httpapi-idempotency-key-header-07 ask a service to publish
//! its policy, with the time after which a key expires. The attribute has all of it, so a page that
//! is written by hand could only differ.

mod check;
#[cfg(feature = "utoipa")]
pub(crate) mod documented;
pub(crate) mod operation;
mod page;
pub(crate) mod published;
pub(crate) mod registry;

pub use check::InvalidOperations;
pub use operation::{KeyRule, OperationPolicy, Route};
pub use published::{KeyFormat, Policies};
