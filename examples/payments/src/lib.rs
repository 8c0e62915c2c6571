//! A payments API and the worker that books its events: the reference application of Idem.

pub mod app;
mod auth;
mod database;
mod event;
mod health;
mod outbox;
mod payments;
mod problem;
mod program;
mod refunds;
mod sql;
