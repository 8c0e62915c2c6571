//! A payments API and the worker that books its events: the reference application of Idem.

mod admin;
pub mod app;
mod audit;
mod auth;
mod back_off;
mod broker;
pub mod card_network;
mod check;
mod child;
#[cfg(feature = "client")]
pub mod client;
mod consumer;
mod database;
mod dead_letters;
pub mod demo;
mod event;
mod headers;
mod health;
mod home;
mod inbox;
mod intake;
mod inventory;
mod layout;
mod ledger;
mod mailer;
mod network;
mod node;
mod notifications;
mod object;
mod openapi;
mod operate;
mod orders;
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
mod request;
mod signature;
mod sql;
mod subscriptions;
mod telemetry;
mod webhooks;
pub mod worker;

/// The client's example compiles.
#[cfg(all(doctest, feature = "client"))]
#[doc = include_str!("../../../docs/CLIENTS.md")]
struct Clients;
