//! How the bodies of requests and responses are read.
//!
//! `reader` reads and keeps, `peek` hands on afterwards what it has read, `budget` counts what
//! the node holds. They know nothing of keys and modes: `extract/body.rs` and `response/capture.rs`
//! decide what a failure means.

pub(crate) mod budget;
pub(crate) mod peek;
pub(crate) mod reader;
