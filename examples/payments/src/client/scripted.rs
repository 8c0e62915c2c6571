//! Answers for the tests of the client.

use bytes::Bytes;

use super::answer::Answer;

/// An answer with these header lines.
pub(super) fn answer(status: u16, headers: &[(&str, &str)], body: &'static str) -> Answer {
    let mut answer = http::Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(Bytes::from_static(body.as_bytes())).unwrap()
}

/// A problem document that says whether it is retryable.
pub(super) fn problem(status: u16, headers: &[(&str, &str)], is_retryable: bool) -> Answer {
    let body = match is_retryable {
        true => r#"{"type": "urn:idem:problem:x", "retryable": true}"#,
        false => r#"{"type": "urn:idem:problem:x", "retryable": false}"#,
    };
    let kind = ("content-type", "application/problem+json; charset=utf-8");
    answer(status, &[headers, &[kind]].concat(), body)
}
