//! Responses: a handler's own, stored ones, and Idem's refusals.

pub(crate) mod capture;
pub(crate) mod outcome;
#[cfg(test)]
mod properties;
pub(crate) mod rejection;
