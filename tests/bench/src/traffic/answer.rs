//! What an answer says of a key.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode, header};
use idem_axum::REPLAYED;
use serde_json::Value;

#[derive(Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// The key is paid by the payment with this id.
    Paid { payment: i64, is_replay: bool },
    /// It may be sent again after this time.
    Refused { kind: String, after: Duration },
    /// No client may get this one.
    Wrong(String),
}

impl Answer {
    /// Reads the answer to a request with this key, which is the payment's reference too.
    pub(super) fn read(key: &str, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let payment = body["id"].as_i64();
        if let (StatusCode::CREATED, Some(payment), true) =
            (status, payment, body["reference"] == key)
        {
            let is_replay = headers.contains_key(REPLAYED);
            return Self::Paid { payment, is_replay };
        }
        match retry_after(headers) {
            Some(after) if !status.is_success() => {
                let problem = body["type"].as_str().unwrap_or_default();
                let problem = problem.rsplit(':').next().unwrap_or_default();
                let kind = format!("{} {problem}", status.as_u16());
                Self::Refused { kind, after }
            }
            _ => Self::Wrong(format!("the answer was {status} {body}")),
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    seconds.parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Answer {
        let headers = headers.iter().map(|(name, value)| {
            let name = header::HeaderName::from_static(name);
            (name, HeaderValue::from_static(value))
        });
        let status = StatusCode::from_u16(status).unwrap();
        Answer::read("k", status, &headers.collect(), body.as_bytes())
    }

    #[test]
    fn a_payment_of_the_key_is_an_answer_and_may_be_a_replay() {
        let body = r#"{ "id": 7, "reference": "k" }"#;
        let paid = |is_replay| Answer::Paid {
            payment: 7,
            is_replay,
        };
        assert_eq!(read(201, &[], body), paid(false));
        assert_eq!(
            read(201, &[("idempotent-replayed", "true")], body),
            paid(true)
        );
    }

    #[test]
    fn a_refusal_says_when_to_send_the_key_again() {
        let refused = |kind: &str, seconds| Answer::Refused {
            kind: kind.to_owned(),
            after: Duration::from_secs(seconds),
        };
        let after = [("retry-after", "2")];
        let body = r#"{ "type": "urn:idem:problem:in-flight" }"#;
        assert_eq!(read(409, &after, body), refused("409 in-flight", 2));
        assert_eq!(read(429, &after, "slow down"), refused("429 ", 2));
    }

    #[test]
    fn any_other_answer_is_wrong() {
        let others = [
            read(
                201,
                &[("retry-after", "2")],
                r#"{ "id": 7, "reference": "another" }"#,
            ),
            read(201, &[], r#"{ "reference": "k" }"#),
            read(200, &[], r#"{ "id": 7, "reference": "k" }"#),
            read(500, &[], "the database is gone"),
            read(422, &[], r#"{ "type": "urn:idem:problem:key-reused" }"#),
        ];
        for other in others {
            assert!(matches!(other, Answer::Wrong(_)), "{other:?}");
        }
    }
}
