//! Problem documents (RFC 9457), and links to documentation.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::link;
use crate::verdict::Verdict;

/// The document, if it says that it is one and is an object.
pub(crate) fn document(answer: &Answer) -> Result<Map<String, Value>, String> {
    let media_type = answer.header("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/problem+json") {
        let status = answer.status;
        return Err(match media_type {
            "" => format!("{status} without a media type, and no problem document"),
            other => format!("{status} of the media type {other}, and no problem document"),
        });
    }
    match answer.json() {
        Some(Value::Object(members)) => Ok(members),
        _ => Err("the problem document is no JSON object".to_owned()),
    }
}

/// What RFC 9457 demands of the standard members of a document that is there (section 3.1).
pub(crate) fn has_valid_members(answer: &Answer) -> Verdict {
    let members = match document(answer) {
        Ok(members) => members,
        Err(reason) => return Verdict::NotApplicable(reason),
    };
    for name in ["type", "title", "detail", "instance"] {
        if members.get(name).is_some_and(|value| !value.is_string()) {
            return Verdict::NotMet(format!("`{name}` is no string"));
        }
    }
    match members.get("status") {
        Some(status) if *status != answer.status.as_u16() => Verdict::NotMet(format!(
            "`status` is {status} in a response with {}",
            answer.status
        )),
        _ => Verdict::Met,
    }
}

/// The draft's two ways: a link in the body, such as a problem's `type`, or the header `Link`.
pub(crate) fn links_to_documentation(answer: &Answer) -> Verdict {
    if !answer.status.is_client_error() {
        return Verdict::NotMet(format!("{} is no refusal", answer.status));
    }
    let kind = document(answer).ok().and_then(|members| {
        let kind = members.get("type")?.as_str()?.to_owned();
        (kind != "about:blank" && !kind.is_empty()).then_some(kind)
    });
    let body = String::from_utf8_lossy(&answer.body);
    let in_body = ["https://", "http://"]
        .iter()
        .any(|begin| body.contains(begin));
    let is_linked = described_by(answer).is_some() || kind.is_some() || in_body;
    Verdict::of(is_linked, || {
        format!(
            "{} with no link in its body, and no `Link` with rel=describedby",
            answer.status
        )
    })
}

/// The target of the `Link` with the relation `describedby`.
fn described_by(answer: &Answer) -> Option<String> {
    link::target(&answer.headers, "describedby")
}

/// A number of seconds or a date, as RFC 9110 has it (section 10.2.3).
pub(crate) fn has_valid_retry_after(answer: &Answer) -> Verdict {
    let Some(value) = answer.header("retry-after") else {
        return Verdict::NotApplicable(format!("{} without `Retry-After`", answer.status));
    };
    let is_seconds = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_valid = is_seconds || httpdate::parse_http_date(value).is_ok();
    Verdict::of(is_valid, || format!("`Retry-After` is {value:?}"))
}

/// Idem's form: all members, the link to its type, and `Retry-After` exactly where a retry makes sense.
pub(crate) fn is_of_idem(answer: &Answer, is_retryable: bool) -> Verdict {
    let members = match document(answer) {
        Ok(members) => members,
        Err(reason) => return Verdict::NotMet(reason),
    };
    for name in ["type", "title", "status", "detail", "retryable"] {
        if !members.contains_key(name) {
            return Verdict::NotMet(format!("{} without `{name}`", answer.status));
        }
    }
    let link = described_by(answer);
    let is_linked =
        link.is_some() && link.as_deref() == members.get("type").and_then(Value::as_str);
    let is_linked = Verdict::of(is_linked, || match link {
        Some(link) => format!("`Link` with rel=describedby leads to {link}, and not to the `type`"),
        None => "no `Link` with rel=describedby".to_owned(),
    });
    let advice = members.get("retryable").cloned().unwrap_or_default();
    let is_advised = Verdict::of(advice == is_retryable, || {
        format!("`retryable` is {advice}")
    });
    is_linked
        .and(is_advised)
        .and(is_timed(answer, is_retryable))
}

fn is_timed(answer: &Answer, is_retryable: bool) -> Verdict {
    let after = answer.header("retry-after");
    match (after, is_retryable) {
        (None, false) => Verdict::Met,
        (None, true) => Verdict::NotMet("`Retry-After` is missing".to_owned()),
        (Some(_), false) => Verdict::NotMet("`Retry-After`, and no retry helps".to_owned()),
        (Some(after), true) => {
            let is_pause = after.parse::<u32>().is_ok_and(|seconds| seconds >= 1);
            Verdict::of(is_pause, || format!("`Retry-After` is {after:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};

    use super::*;

    fn answer(after: &str) -> Answer {
        let headers = [("retry-after", after)]
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        Answer {
            status: StatusCode::CONFLICT,
            headers: HeaderMap::from_iter(headers),
            body: Bytes::new(),
        }
    }

    #[test]
    fn a_pause_is_seconds_or_a_date_of_http() {
        for (after, is_valid) in [
            ("1", true),
            ("120", true),
            ("Fri, 31 Dec 1999 23:59:59 GMT", true),
            ("Friday, 31-Dec-99 23:59:59 GMT", true),
            ("Fri Dec 31 23:59:59 1999", true),
            ("soon GMT", false),
            ("Fri, 32 Dec 1999 23:59:59 GMT", false),
            ("-1", false),
            ("1.5", false),
            ("", false),
        ] {
            let verdict = has_valid_retry_after(&answer(after));
            assert_eq!(verdict == Verdict::Met, is_valid, "{after}: {verdict:?}");
        }
    }
}
