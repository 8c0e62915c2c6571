//! Responses: a handler's own, stored ones, and Idem's refusals.
//!
//! ```text
//! handler's value   output     Response, and whether it was an `Err`
//! Response          capture    Completion (status, header lines, body) and the Response again
//! Completion        capture    Response, with idempotent-replayed: true
//! Rejection         problem    Response, or the Completion that retries get as well
//! ```
//!
//! A stored response outlives the build that stored it. So neither the form of the headers nor the
//! names of problems may change without a new format of records, which older builds refuse to read.

pub(crate) mod capture;
pub(crate) mod headers;
pub(crate) mod output;
mod problem;
#[cfg(test)]
mod properties;
