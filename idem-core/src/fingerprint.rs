//! The digest of what must not change between retries.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::canonical_json;

/// What a fingerprint is made of: the parts of a request that a retry repeats.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FingerprintInput<'a> {
    /// The request method.
    pub method: &'a str,
    /// The path as the client sent it, or the captured path parameters where an operation
    /// is named by hand and mounted at several paths.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: &'a str,
    /// The value of `Content-Type`.
    pub content_type: &'a [u8],
    /// The headers that the operation adds, as (lower-case name, value), in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The whole body.
    pub body: &'a [u8],
}

impl<'a> FingerprintInput<'a> {
    /// The input of a request without query, content type and added headers.
    pub fn new(method: &'a str, path: &'a str, body: &'a [u8]) -> Self {
        Self {
            method,
            path,
            query: "",
            content_type: b"",
            headers: &[],
            body,
        }
    }
}

/// How an operation compares requests.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FingerprintBy {
    /// By the bytes of the body.
    Body,
    /// By the canonical form of a JSON body (RFC 8785); other bodies by their bytes.
    Json,
    /// By what a function of the application makes of the request.
    Custom(fn(&FingerprintInput<'_>) -> [u8; 32]),
}

/// The fingerprint of one request, comparable with every version this build can read.
///
/// A stored record is compared by the version it was written with, so that a rolling deploy
/// which changes how fingerprints are made never turns retries into refusals. Only what a
/// function made ([`FingerprintBy::Custom`]) cannot be compared once the function is gone.
#[derive(Clone)]
pub struct Fingerprint {
    /// The version and the digest that are stored.
    stored: (i16, [u8; 32]),
    by_bytes: [u8; 32],
    /// Makes the one digest that is costly, for records written before a deploy.
    json: Option<Arc<JsonLater>>,
}

/// What the digest of canonical JSON is made of.
struct JsonLater {
    head: Sha256,
    body: Box<[u8]>,
}

/// Version numbers stand in rows and never change their meaning.
const NONE: i16 = 0;
const BODY_V1: i16 = 1;
const JSON_V1: i16 = 2;
const CUSTOM_V1: i16 = 3;

impl Fingerprint {
    /// Computes the fingerprint of a request.
    pub fn of(input: &FingerprintInput<'_>, by: FingerprintBy) -> Self {
        let by_bytes = with_body(head(BODY_V1, input), input.body);
        let json = head(JSON_V1, input);
        let stored = match by {
            FingerprintBy::Body => (BODY_V1, by_bytes),
            FingerprintBy::Json => (JSON_V1, with_json(json.clone(), input.body)),
            FingerprintBy::Custom(make) => (CUSTOM_V1, make(input)),
        };
        let later = || {
            Arc::new(JsonLater {
                head: json,
                body: input.body.into(),
            })
        };
        let json = (stored.0 != JSON_V1).then(later);
        Self {
            stored,
            by_bytes,
            json,
        }
    }

    /// That of a message whose content is not compared: it is the same as any other.
    pub(crate) fn none() -> Self {
        Self {
            stored: (NONE, [0; 32]),
            by_bytes: [0; 32],
            json: None,
        }
    }

    /// The version and digest to store.
    pub(crate) fn stored(&self) -> (i16, &[u8; 32]) {
        (self.stored.0, &self.stored.1)
    }

    /// Whether a stored fingerprint is of the same request; `None` when this build cannot tell.
    pub(crate) fn same_as(&self, version: i16, stored: &[u8]) -> Option<bool> {
        if NONE == version || NONE == self.stored.0 {
            return Some(true);
        }
        let digest = match (version, &self.json) {
            (version, _) if version == self.stored.0 => self.stored.1,
            (BODY_V1, _) => self.by_bytes,
            (JSON_V1, Some(json)) => with_json(json.head.clone(), &json.body),
            _ => return None,
        };
        Some(digest.as_slice() == stored)
    }

    /// What is needed once the attempt runs: the body is not kept for so long.
    pub(crate) fn without_body(&self) -> Self {
        Self {
            json: None,
            ..self.clone()
        }
    }
}

/// By what is stored. The bytes may differ where an equal request was written in another way.
impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.stored == other.stored || NONE == self.stored.0 || NONE == other.stored.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fingerprint")
            .field("stored", &self.stored)
            .finish_non_exhaustive()
    }
}

fn head(version: i16, input: &FingerprintInput<'_>) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(version.to_be_bytes());
    let mut part = |bytes| part(&mut hash, bytes);
    part(input.method.as_bytes());
    part(input.path.as_bytes());
    part(input.query.as_bytes());
    part(input.content_type);
    for (name, value) in input.headers {
        part(name.as_bytes());
        part(value);
    }
    hash
}

fn with_json(head: Sha256, body: &[u8]) -> [u8; 32] {
    match canonical_json::canonical(body) {
        Some(text) => with_body(head, &text),
        None => with_body(head, body),
    }
}

fn with_body(mut head: Sha256, body: &[u8]) -> [u8; 32] {
    part(&mut head, body);
    head.finalize().into()
}

/// Each part is preceded by its length, so that none can pass for two.
fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: &str, by: FingerprintBy) -> Fingerprint {
        Fingerprint::of(
            &FingerprintInput::new("POST", "/payments", body.as_bytes()),
            by,
        )
    }

    #[test]
    fn each_part_counts() {
        let base = FingerprintInput::new("POST", "/a", b"x");
        let other = [
            FingerprintInput {
                method: "PUT",
                ..base
            },
            FingerprintInput { path: "/b", ..base },
            FingerprintInput { query: "q", ..base },
            FingerprintInput {
                content_type: b"text/plain",
                ..base
            },
            FingerprintInput {
                headers: &[("x-currency", b"EUR")],
                ..base
            },
            FingerprintInput { body: b"y", ..base },
            // The same bytes, cut at another place.
            FingerprintInput {
                path: "/",
                query: "a",
                ..base
            },
        ];
        let fingerprint = Fingerprint::of(&base, FingerprintBy::Body);
        for input in other {
            assert_ne!(
                fingerprint,
                Fingerprint::of(&input, FingerprintBy::Body),
                "{input:?}"
            );
        }
    }

    #[test]
    fn json_ignores_order_and_white_space_only() {
        let json = |body| of(body, FingerprintBy::Json).stored().1.to_owned();
        assert_eq!(
            json(r#"{"a":1,"b":[1.0]}"#),
            json("{ \"b\": [1],\n \"a\": 1 }")
        );
        assert_ne!(json(r#"{"a":1}"#), json(r#"{"a":2}"#));
    }

    #[test]
    fn a_row_is_compared_by_what_it_was_written_by_after_a_deploy() {
        let custom = FingerprintBy::Custom(|_| [7; 32]);
        let json = FingerprintBy::Json;
        let body = FingerprintBy::Body;
        for (before, after) in [(body, json), (json, body), (body, custom), (json, custom)] {
            let old = of(r#"{"a":1}"#, before);
            let (version, digest) = old.stored();
            let same = |text| of(text, after).same_as(version, digest);
            assert_eq!(same(r#"{"a":1}"#), Some(true), "{before:?} {after:?}");
            assert_eq!(same(r#"{"a":2}"#), Some(false), "{before:?} {after:?}");
        }
        let old = of("", custom);
        let (version, digest) = old.stored();
        assert_eq!(of("", body).same_as(version, digest), None);
        assert_eq!(of("", json).same_as(99, digest), None);
    }
}
