//! Problem documents (RFC 9457), and links to documentation.

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::verdict::Verdict;

/// The document, if it says that it is one and is an object.
pub(crate) fn document(answer: &Answer) -> Result<Map<String, Value>, String> {
    let media_type = answer.header("content-type").unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/problem+json") {
        return Err(format!(
            "{} with the media type {media_type:?}",
            answer.status
        ));
    }
    match answer.json() {
        Some(Value::Object(members)) => Ok(members),
        _ => Err("the document is no JSON object".to_owned()),
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
    let is_status = |value: &Value| *value == answer.status.as_u16();
    let status = members.get("status");
    Verdict::of(status.is_none_or(is_status), || {
        format!(
            "`status` is {} in a response with {}",
            members["status"], answer.status
        )
    })
}

/// The draft's two ways: a link in the body, such as a problem's `type`, or the header `Link`.
pub(crate) fn links_to_documentation(answer: &Answer) -> Verdict {
    let kind = document(answer).ok().and_then(|members| {
        let kind = members.get("type")?.as_str()?.to_owned();
        (kind != "about:blank" && !kind.is_empty()).then_some(kind)
    });
    let in_body = String::from_utf8_lossy(&answer.body).contains("https://");
    let is_refusal = !answer.is_success();
    let is_linked = described_by(answer).is_some() || kind.is_some() || in_body;
    Verdict::of(is_refusal && is_linked, || {
        format!(
            "{} without a link, neither in its body nor as `Link`",
            answer.status
        )
    })
}

/// The target of the `Link` with the relation `describedby`.
pub(crate) fn described_by(answer: &Answer) -> Option<String> {
    let lines = answer.headers.get_all("link").iter();
    let links = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(", <"));
    links
        .filter(|link| {
            link.replace('"', "")
                .to_ascii_lowercase()
                .contains("rel=describedby")
        })
        .find_map(|link| Some(link.trim_start_matches('<').split_once('>')?.0.to_owned()))
}

/// A number of seconds or a date, as RFC 9110 has it (section 10.2.3).
pub(crate) fn has_valid_retry_after(answer: &Answer) -> Verdict {
    let Some(value) = answer.header("retry-after") else {
        return Verdict::NotApplicable(format!("{} without Retry-After", answer.status));
    };
    let is_seconds = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    Verdict::of(is_seconds || value.ends_with(" GMT"), || {
        format!("Retry-After is {value:?}")
    })
}

/// Idem's form: all members, the link to its type, and `Retry-After` exactly where a retry makes sense.
pub(crate) fn is_of_idem(answer: &Answer, is_retryable: bool) -> Verdict {
    let members = match document(answer) {
        Ok(members) => members,
        Err(reason) => return Verdict::NotMet(reason),
    };
    let missing = ["type", "title", "status", "detail", "retryable"];
    let missing = missing
        .into_iter()
        .find(|name| !members.contains_key(*name));
    let link = described_by(answer);
    let is_linked =
        link.is_some() && link.as_deref() == members.get("type").and_then(Value::as_str);
    let advice = members.get("retryable").cloned().unwrap_or_default();
    let after = answer.header("retry-after");
    let is_timed = match after.map(str::parse::<u32>) {
        Some(seconds) => is_retryable && seconds.is_ok_and(|seconds| seconds >= 1),
        None => !is_retryable,
    };
    Verdict::of(missing.is_none(), || {
        format!("{} without {missing:?}", answer.status)
    })
    .and(Verdict::of(is_linked, || {
        format!("describedby is {link:?}")
    }))
    .and(Verdict::of(advice == is_retryable, || {
        format!("`retryable` is {advice}")
    }))
    .and(Verdict::of(is_timed, || {
        format!("Retry-After is {after:?}")
    }))
}
