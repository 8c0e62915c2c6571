//! A payments API and the worker that books its events: the reference application of Idem.

mod admin;
pub mod app;
mod audit;
mod auth;
mod back_off;
mod broker;
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
mod outbox;
mod payments;
mod problem;
mod program;
mod receipts;
mod records;
mod refunds;
mod relay;
mod sql;
mod telemetry;
pub mod worker;
