//! A payments API and the worker that books its events: the reference application of Idem.

mod admin;
pub mod app;
mod audit;
mod auth;
mod back_off;
mod broker;
#[cfg(feature = "client")]
pub mod client;
mod consumer;
mod database;
mod dead_letters;
mod event;
mod headers;
mod health;
mod inbox;
mod intake;
mod ledger;
mod object;
mod openapi;
mod outbox;
#[cfg(feature = "client")]
mod pay;
mod payments;
mod problem;
mod problem_pages;
mod program;
mod read;
mod receipts;
mod refunds;
mod relay;
mod sql;
mod telemetry;
pub mod worker;

/// The client's example compiles.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../docs/CLIENTS.md")]
struct Clients;
