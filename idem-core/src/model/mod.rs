//! The nouns: what a record is named by, what is compared, what is stored, on which terms.

pub(crate) mod canonical_json;
pub(crate) mod fingerprint;
pub(crate) mod key;
pub(crate) mod policy;
pub(crate) mod record;
pub(crate) mod record_filter;
pub(crate) mod scope;
