//! A response, read whole.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde_json::Value;

use crate::verdict::Verdict;

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_success()
    }

    pub(crate) fn is_conflict(&self) -> bool {
        self.status == StatusCode::CONFLICT
    }

    /// Whether it says that another request with the key runs: by 409, or by a status that some servers use for it.
    pub(crate) fn says_running(&self) -> bool {
        matches!(self.status.as_u16(), 409 | 423 | 425)
    }

    /// Whether it carries Idem's mark of a replay.
    pub(crate) fn is_replay(&self) -> bool {
        self.header(REPLAYED) == Some("true")
    }

    /// The first line of this name, if it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    pub(crate) fn has_status(&self, expected: StatusCode) -> Verdict {
        Verdict::of(self.status == expected, || {
            format!("{} instead of {}", self.status, expected.as_u16())
        })
    }

    pub(crate) fn has_success(&self) -> Verdict {
        Verdict::of(self.is_success(), || {
            format!("{} instead of a success", self.status)
        })
    }

    /// The same status, and the same body: as JSON, or else as bytes.
    pub(crate) fn has_result_of(&self, first: &Self) -> Verdict {
        let is_same_body =
            self.body == first.body || self.json().is_some_and(|value| Some(value) == first.json());
        let is_same = Verdict::of(is_same_body, || {
            "another body than the first time".to_owned()
        });
        let is_same = is_same.and(first.has_a_body());
        self.has_status(first.status).and(is_same)
    }

    /// Another body than that of the first response.
    pub(crate) fn has_another_body_than(&self, first: &Self) -> Verdict {
        let is_other = Verdict::of(first.body.is_empty() || self.body != first.body, || {
            "the body of the first response".to_owned()
        });
        is_other.and(first.has_a_body())
    }

    /// An empty body is the same each time, whether the request ran again or not.
    pub(crate) fn has_a_body(&self) -> Verdict {
        match self.body.is_empty() {
            true => Verdict::NotApplicable("an empty body proves nothing".to_owned()),
            false => Verdict::Met,
        }
    }

    /// The same status, bytes and representation headers.
    pub(crate) fn is_identical_to(&self, first: &Self) -> Verdict {
        let mut verdict = self.has_status(first.status);
        for name in REPRESENTATION {
            let lines = |answer: &Self| {
                let lines = answer.headers.get_all(name).iter().cloned();
                lines.collect::<Vec<_>>()
            };
            verdict = verdict.and(Verdict::of(lines(self) == lines(first), || {
                format!("another {name} than the first time")
            }));
        }
        let is_same = Verdict::of(self.body == first.body, || {
            "other bytes than the first time".to_owned()
        });
        verdict.and(is_same).and(first.has_a_body())
    }
}

/// Idem's mark of a replay.
pub(crate) const REPLAYED: &str = "idempotent-replayed";

/// The headers that belong to the stored response.
const REPRESENTATION: [&str; 5] = [
    "content-type",
    "content-encoding",
    "content-language",
    "location",
    "etag",
];
