//! Responses: a handler's own, stored ones, and Idem's refusals.

pub(crate) mod capture;
pub(crate) mod headers;
pub(crate) mod output;
#[cfg(test)]
mod properties;
pub(crate) mod rejection;
