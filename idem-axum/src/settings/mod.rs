//! The settings of a handle that are about HTTP.

mod challenge;
mod http;
mod options;

pub use challenge::{Challenge, InvalidChallenge};
pub use http::HttpSettings;
pub use options::HttpOptions;
