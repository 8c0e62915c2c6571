//! What an application publishes of its handlers: the OpenAPI document and the policy.
//!
//! No database is asked: the attribute's options and the handle's settings are all of it.

#![allow(
    clippy::panic,
    dead_code,
    unused_qualifications,
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "tests; no handler is routed"
)]
#![deny(warnings)]
#![cfg(feature = "sqlite")]

#[path = "openapi/app.rs"]
mod app;
#[path = "openapi/document.rs"]
mod document;
#[path = "openapi/found.rs"]
mod found;
#[path = "openapi/policies.rs"]
mod policies;
