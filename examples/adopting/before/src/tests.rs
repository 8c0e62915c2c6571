//! Through the router, each on a database of its own.

mod orders;
mod shop;
