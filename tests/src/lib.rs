//! Test support: fresh databases, a proxy that breaks connections, requests, processes.
//!
//! [`sqlite`], [`postgres`] and [`mysql`] have the same names with the same meaning, so that one test file
//! is compiled once per database (see `tests/behaviour.rs`).

#![allow(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "a test that cannot go on panics and says why"
)]

pub mod browser;
#[cfg(feature = "postgres")]
pub mod citus;
pub mod clients;
mod daemon;
#[cfg(feature = "mysql")]
pub mod galera;
#[cfg(feature = "mysql")]
pub mod group_replication;
pub mod http;
pub mod log;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "postgres")]
pub mod pgbouncer;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "postgres")]
pub mod postgres_pair;
pub mod process;
pub mod prometheus;
#[cfg(any(
    feature = "postgres",
    feature = "mysql",
    feature = "nats",
    feature = "rabbitmq"
))]
pub mod proxy;
#[cfg(feature = "rabbitmq")]
pub mod rabbitmq;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod server;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub use self::server::be_durable;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "postgres", feature = "mysql"))]
mod until;
pub mod webhook;

/// Waits a moment before a test looks again at what it waits for.
///
/// A test that looked without a pause would take the processor from the server that it waits for: on a
/// busy machine a server got none for seconds, and other tests met their time limits.
pub async fn a_moment() {
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
}

/// The README's program compiles.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../README.md")]
struct Readme;

/// The consumers' examples compile.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../docs/MESSAGES.md")]
struct Messages;

/// The calls of other services compile.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../docs/EFFECTS.md")]
struct Effects;

/// A service with several databases runs.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../docs/SHARDING.md")]
struct Sharding;

/// A service that publishes its document and its policy runs.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../docs/OPENAPI.md")]
struct OpenApi;

/// The plan of a rollout parses.
#[cfg(all(doctest, feature = "sqlite"))]
#[doc = include_str!("../../docs/ROLLOUT.md")]
struct Rollout;

/// The attribute's and the derive's examples compile.
#[cfg(all(doctest, feature = "sqlite", feature = "postgres"))]
#[doc = include_str!("../../idem-macros/src/idempotent.md")]
#[doc = include_str!("../../idem-macros/src/has_idempotency.md")]
struct Macros;
