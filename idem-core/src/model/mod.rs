//! The nouns of an attempt, which ask no database and know no HTTP.
//!
//! A scope, an operation and a key name a record. The record keeps the fingerprint of its request,
//! so that Idem notices a key that is used for another request, and the completion: the response
//! that a retry replays. A policy says how long the record is kept, how long an attempt may take,
//! and what a duplicate gets meanwhile.

pub(crate) mod canonical_json;
pub(crate) mod cipher;
#[cfg(feature = "encryption")]
pub(crate) mod encryption;
pub(crate) mod fingerprint;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod record_filter;
pub(crate) mod scope;
