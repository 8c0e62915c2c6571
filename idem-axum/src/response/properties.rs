//! What must hold for every response that is stored, and for every record that is read.

use std::collections::BTreeSet;

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use idem_core::Completion;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::capture::replay;
use super::headers::{REPLAYED, decode, encode};

/// What a replay must never carry: written down once more, so that a line lost from the list
/// in use is noticed.
const FORBIDDEN: &[&str] = &[
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authentication-info",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "date",
    "authorization",
    "set-cookie",
    "www-authenticate",
    "traceparent",
    "tracestate",
    "x-b3-traceid",
    "x-request-id",
    "ratelimit",
    "ratelimit-remaining",
    "x-ratelimit-reset",
    "x-rate-limit-limit",
    "idempotent-replayed",
];

const KEPT: &[&str] = &[
    "content-type",
    "etag",
    "link",
    "location",
    "x-b3",
    "x-date",
    "set-cookies",
];

fn name() -> impl Strategy<Value = HeaderName> {
    let text = prop_oneof![
        2 => Just("connection".to_owned()),
        4 => select(FORBIDDEN).prop_map(str::to_owned),
        4 => select(KEPT).prop_map(str::to_owned),
        4 => "x-[a-c]",
        1 => "[a-z0-9!#$%&'*+.^_`|~-]{1,20}",
    ];
    text.prop_map(|name| HeaderName::from_bytes(name.as_bytes()).unwrap())
}

fn value() -> impl Strategy<Value = HeaderValue> {
    let text = prop_oneof![
        // What `Connection` lists.
        proptest::string::bytes_regex(
            r"((?i)x-[a-c]|close|etag|\xff|[ \t])(,[ \t]?((?i)x-[a-c]|te)){0,3}"
        )
        .unwrap(),
        proptest::string::bytes_regex(r"[ \t!-~\x80-\xff]{0,20}").unwrap(),
        proptest::string::bytes_regex(r"(: |, |:|[a-z]){0,6}").unwrap(),
    ];
    text.prop_map(|value| HeaderValue::from_bytes(&value).unwrap())
}

fn headers() -> impl Strategy<Value = HeaderMap> {
    vec((name(), value()), 0..12).prop_map(|lines| {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value);
        }
        headers
    })
}

/// Where a map names its connection's own headers.
fn listed_by_connection(headers: &HeaderMap) -> BTreeSet<Vec<u8>> {
    let values = headers.get_all("connection").iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .collect()
}

fn without_unstored(headers: &HeaderMap, extra: Option<&str>) -> HeaderMap {
    let listed = listed_by_connection(headers);
    let mut kept = headers.clone();
    for name in headers.keys() {
        let text = name.as_str();
        let is_private = FORBIDDEN.contains(&text) || extra == Some(text);
        if is_private || listed.contains(text.as_bytes()) {
            kept.remove(name);
        }
    }
    kept
}

proptest! {
    #[test]
    fn every_storable_header_is_stored_unchanged(
        headers in headers(),
        extra in option::of("x-[a-c]"),
    ) {
        let unstored: Vec<_> = extra.as_deref().map(Into::into).into_iter().collect();
        let lines = encode(&headers, &unstored);
        prop_assert_eq!(decode(&lines), Some(without_unstored(&headers, extra.as_deref())));
    }

    #[test]
    fn a_record_is_replayed_exactly_when_its_headers_and_status_are_valid(
        headers in headers(),
        changes in vec((any::<Index>(), option::of(any::<u8>())), 0..4),
        status: u16,
        body: Vec<u8>,
    ) {
        let mut lines = encode(&headers, &[]);
        for (at, byte) in changes {
            let at = at.index(lines.len() + 1);
            match byte {
                Some(byte) => lines.insert(at, byte),
                None => lines.truncate(at),
            }
        }
        let read = decode(&lines);
        let replayed = replay(&Completion::new(status, lines, body));
        let is_readable = read.is_some() && (100..1000).contains(&status);
        prop_assert_eq!(replayed.is_some(), is_readable);
        if let (Some(mut read), Some(replayed)) = (read, replayed) {
            read.insert(REPLAYED, HeaderValue::from_static("true"));
            prop_assert_eq!(replayed.headers(), &read);
            prop_assert_eq!(replayed.status().as_u16(), status);
        }
    }

    #[test]
    fn random_header_bytes_decode_without_loss_or_not_at_all(lines: Vec<u8>) {
        if let Some(headers) = decode(&lines) {
            // What is read has a form of its own, which says the same.
            let kept = without_unstored(&headers, None);
            prop_assert_eq!(decode(&encode(&headers, &[])), Some(kept));
        }
    }
}
