//! The rules of retries: which answers are final, and how long to wait after the others.

use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::answer::Answer;
use super::error::Failure;

/// What to do after a try.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Return the answer or the failure.
    Final,
    /// Send the same request again, no earlier than this.
    Retry(Duration),
}

pub(super) fn judge(tried: &Result<Answer, Failure>) -> Verdict {
    let is_retried = match tried {
        Ok(answer) => return judge_answer(answer),
        Err(Failure::Network(error)) => {
            let is_sending = error.is_request() || error.is_body() || error.is_decode();
            error.is_connect() || error.is_timeout() || is_sending
        }
        Err(Failure::TimedOut) => true,
        Err(Failure::TooLong(_) | Failure::Answered(_)) => false,
    };
    match is_retried {
        true => Verdict::Retry(Duration::ZERO),
        false => Verdict::Final,
    }
}

fn judge_answer(answer: &Answer) -> Verdict {
    let (status, headers) = (answer.status(), answer.headers());
    if !status.is_client_error() && !status.is_server_error() {
        return Verdict::Final;
    }
    let after = retry_after(headers);
    let is_retried = says_retryable(answer).unwrap_or_else(|| match status {
        // Of many meanings; who asks for another try says when.
        StatusCode::CONFLICT => after.is_some(),
        status => TRANSIENT.contains(&status),
    });
    match is_retried {
        true => Verdict::Retry(after.unwrap_or_default()),
        false => Verdict::Final,
    }
}

/// Statuses to retry where no problem document says more, as of a gateway.
const TRANSIENT: [StatusCode; 6] = [
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::TOO_EARLY,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::BAD_GATEWAY,
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::GATEWAY_TIMEOUT,
];

/// The member `retryable` of a problem document (RFC 9457).
fn says_retryable(answer: &Answer) -> Option<bool> {
    #[derive(Deserialize)]
    struct Problem {
        retryable: Option<bool>,
    }
    let kind = answer.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/problem+json") {
        return None;
    }
    let problem: Problem = serde_json::from_slice(answer.body()).ok()?;
    problem.retryable
}

/// `Retry-After` (RFC 9110, section 10.2.3). A date counts from the answer's own `Date`, so that the client's clock
/// does not matter.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let after = text(header::RETRY_AFTER)?;
    if let Ok(seconds) = after.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let after = httpdate::parse_http_date(after).ok()?;
    let now = httpdate::parse_http_date(text(header::DATE)?).ok()?;
    Some(after.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::scripted::{answer, problem};
    use super::*;

    const NOW: &[(&str, &str)] = &[];
    const IN_2_S: &[(&str, &str)] = &[("retry-after", "2")];

    fn retry(seconds: u64) -> Verdict {
        Verdict::Retry(Duration::from_secs(seconds))
    }

    #[test]
    fn a_problem_document_decides_whatever_its_status_is() {
        for status in [
            400, 401, 403, 404, 408, 409, 413, 422, 429, 500, 501, 502, 503, 504,
        ] {
            for (headers, is_retryable, verdict) in [
                (NOW, true, retry(0)),
                (IN_2_S, true, retry(2)),
                (NOW, false, Verdict::Final),
                (IN_2_S, false, Verdict::Final),
            ] {
                let tried = Ok(problem(status, headers, is_retryable));
                assert_eq!(judge(&tried), verdict, "{tried:?}");
            }
        }
    }

    #[test]
    fn without_a_problem_document_the_status_decides() {
        for (status, is_retried) in [
            (200, false),
            (201, false),
            (204, false),
            (303, false),
            (307, false),
            (400, false),
            (401, false),
            (402, false),
            (403, false),
            (404, false),
            (408, true),
            (409, false),
            (413, false),
            (422, false),
            (425, true),
            (429, true),
            (500, false),
            (501, false),
            (502, true),
            (503, true),
            (504, true),
        ] {
            for body in ["", "<html>", r#"{"retryable": true}"#] {
                let [now, later] = match is_retried {
                    true => [retry(0), retry(2)],
                    false => [Verdict::Final, Verdict::Final],
                };
                assert_eq!(
                    judge(&Ok(answer(status, NOW, body))),
                    now,
                    "{status} {body}"
                );
                if status != 409 {
                    let tried = Ok(answer(status, IN_2_S, body));
                    assert_eq!(judge(&tried), later, "{status} {body}");
                }
            }
        }
    }

    #[test]
    fn a_conflict_is_retried_only_where_retry_after_asks_for_it() {
        assert_eq!(judge(&Ok(answer(409, NOW, ""))), Verdict::Final);
        assert_eq!(judge(&Ok(answer(409, IN_2_S, ""))), retry(2));
        assert_eq!(judge(&Ok(problem(409, IN_2_S, false))), Verdict::Final);
    }

    #[test]
    fn a_problem_that_does_not_say_whether_it_is_retryable_is_judged_by_its_status() {
        let kind = [("content-type", "application/problem+json")];
        for body in [
            "",
            "{",
            "[]",
            "{}",
            r#"{"retryable": "yes"}"#,
            r#"{"retryable": null}"#,
        ] {
            assert_eq!(judge(&Ok(answer(503, &kind, body))), retry(0), "{body}");
            assert_eq!(
                judge(&Ok(answer(500, &kind, body))),
                Verdict::Final,
                "{body}"
            );
        }
    }

    #[test]
    fn a_success_is_final_whatever_its_body_says() {
        assert_eq!(judge(&Ok(problem(200, IN_2_S, true))), Verdict::Final);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_beside_the_answers_own() {
        let date = ("date", "Fri, 31 Dec 1999 23:59:50 GMT");
        for (after, date, seconds) in [
            ("0", None, 0),
            (" 7 ", None, 7),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(date), 9),
            ("Fri, 31 Dec 1999 23:59:40 GMT", Some(date), 0),
            ("Fri, 31 Dec 1999 23:59:59 GMT", None, 0),
            ("soon", Some(date), 0),
            ("-1", None, 0),
            ("1.5", None, 0),
        ] {
            let mut headers = vec![("retry-after", after)];
            headers.extend(date);
            assert_eq!(
                judge(&Ok(answer(503, &headers, ""))),
                retry(seconds),
                "{after}"
            );
        }
    }

    #[test]
    fn a_try_without_an_answer_is_retried_and_one_with_too_long_an_answer_is_not() {
        assert_eq!(judge(&Err(Failure::TimedOut)), retry(0));
        assert_eq!(judge(&Err(Failure::TooLong(1))), Verdict::Final);
    }
}
