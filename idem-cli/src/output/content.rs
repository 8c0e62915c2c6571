//! A stored body, header block or payload: text if it is text.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::text::escape_lines;

/// As JSON `{"text": …}` or `{"base64": …}`.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Content {
    Text(String),
    Base64(String),
}

impl Content {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

/// For people: its lines with what cannot be seen escaped, or base64 with a word that says so.
impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&escape_lines(text)),
            Self::Base64(base64) => write!(f, "base64: {base64}"),
        }
    }
}
