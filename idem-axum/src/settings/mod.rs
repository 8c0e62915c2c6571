//! The settings of a handle that are about HTTP.
//!
//! An application has one builder. The engine knows no HTTP type, so it keeps these settings as an
//! extension without looking at them: [`HttpOptions`] adds methods to the engine's builder, and
//! [`HttpSettings::of`] gets the settings back from the handle.

mod challenge;
mod http;
mod options;

pub use challenge::{Challenge, InvalidChallenge};
pub use http::HttpSettings;
pub use options::HttpOptions;
