//! How the bodies of requests and responses are read.

pub(crate) mod budget;
pub(crate) mod peek;
pub(crate) mod reader;
