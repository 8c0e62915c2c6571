//! What was sent and what was seen, without secrets.

use std::fmt;

use http::{HeaderName, HeaderValue};
use serde::Serialize;

use crate::answer::Answer;
use crate::request::Request;

/// One request and its response, as reports show them.
#[derive(Clone, Debug, Serialize)]
pub struct Exchange {
    /// The request.
    pub sent: Sent,
    /// The response; nothing where the suite hung up before it came.
    pub seen: Option<Seen>,
}

/// A request. Values of headers that the user gave are masked.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The header lines.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body.
    pub body: String,
}

/// A response, or why there is none.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Seen {
    /// It came.
    Response {
        /// The status.
        status: u16,
        /// The header lines.
        headers: Vec<(String, String)>,
        /// The beginning of the body.
        body: String,
    },
    /// It did not come.
    Error {
        /// Why.
        error: String,
    },
}

/// The secrets that no report may contain: values of headers that the user gave.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Secrets").field(&MASK).finish()
    }
}

impl Exchange {
    pub(crate) fn new(
        request: &Request,
        answer: Option<&Result<Answer, String>>,
        secrets: &Secrets,
    ) -> Self {
        let sent = Sent {
            method: request.method.to_string(),
            path: secrets.mask(&request.path),
            headers: secrets.lines(request.headers.iter().map(|(name, value)| (name, value))),
            body: secrets.beginning(&request.body),
        };
        let seen = answer.map(|answer| match answer {
            Ok(answer) => Seen::Response {
                status: answer.status.as_u16(),
                headers: secrets.lines(&answer.headers),
                body: secrets.beginning(&answer.body),
            },
            Err(error) => Seen::Error {
                error: secrets.mask(error),
            },
        });
        Self { sent, seen }
    }
}

impl Secrets {
    /// Remembers a header's value, and what follows its scheme.
    pub(crate) fn add(&mut self, name: &HeaderName, value: &HeaderValue) {
        if PUBLIC.contains(&name.as_str()) {
            return;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        let parts = value.split(' ').filter(|part| part.len() >= SHORTEST);
        self.0.extend(parts.map(str::to_owned));
        self.0.push(value);
        // The longest first, so that no rest of it stays.
        self.0.retain(|secret| !secret.is_empty());
        self.0.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }

    fn mask(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for secret in &self.0 {
            masked = masked.replace(secret, MASK);
        }
        masked
    }

    fn lines<'a>(
        &self,
        lines: impl IntoIterator<Item = (&'a HeaderName, &'a HeaderValue)>,
    ) -> Vec<(String, String)> {
        let lines = lines.into_iter().map(|(name, value)| {
            let value = match name.as_str() {
                "set-cookie" | "cookie" => MASK.to_owned(),
                _ => self.mask(&String::from_utf8_lossy(value.as_bytes())),
            };
            (name.to_string(), value)
        });
        lines.collect()
    }

    fn beginning(&self, body: &[u8]) -> String {
        let text = self.mask(&String::from_utf8_lossy(body));
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

const MASK: &str = "***";

/// Characters of a body that are shown.
const LONGEST: usize = 300;

/// A shorter word, such as a scheme's, is no secret, and masking it would hide more than it protects.
const SHORTEST: usize = 8;

/// Headers whose values say nothing of their sender.
const PUBLIC: [&str; 4] = ["accept", "accept-language", "content-type", "user-agent"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_wherever_it_is_echoed() {
        let mut secrets = Secrets::default();
        let value = HeaderValue::from_static("Bearer acme-demo-key");
        secrets.add(&http::header::AUTHORIZATION, &value);
        secrets.add(
            &http::header::ACCEPT,
            &HeaderValue::from_static("application/json"),
        );
        assert_eq!(secrets.mask("Bearer acme-demo-key"), "***");
        let echoed = br#"{"token":"acme-demo-key","as":"application/json"}"#;
        let expected = r#"{"token":"***","as":"application/json"}"#;
        assert_eq!(secrets.beginning(echoed), expected);
    }

    #[test]
    fn a_long_body_is_cut() {
        let shown = Secrets::default().beginning("ä".repeat(LONGEST + 1).as_bytes());
        assert_eq!(shown, "ä".repeat(LONGEST) + "…");
    }
}
