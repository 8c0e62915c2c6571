//! Through the router, each on a database of its own.

mod idempotent;
mod orders;
mod shop;
