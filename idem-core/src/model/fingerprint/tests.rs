//! Which requests are equal, in each form of a fingerprint.

use sha2::{Digest, Sha256};

use super::form::part;
use super::*;

const BASE: FingerprintInput<'_> = FingerprintInput {
    method: "POST",
    path: "/payments/1",
    query: "",
    content_type: b"application/json",
    headers: &[],
    header_names: &[],
    other_path: Some("/1:1"),
    is_by_parameters: false,
    body: br#"{"a":1}"#,
    shared_body: None,
};

const CUSTOM: FingerprintBy = FingerprintBy::Custom("first", |input| made(input.body));

/// The part of a body before the `#`.
fn made(body: &[u8]) -> [u8; 32] {
    let mut parts = body.split(|byte| *byte == b'#');
    Sha256::digest(parts.next().unwrap_or_default()).into()
}

/// A retry of this kind, compared with a record of that kind.
fn compare(
    (before, stored_by): (FingerprintInput<'_>, FingerprintBy),
    (after, by): (FingerprintInput<'_>, FingerprintBy),
) -> Comparison {
    let old = Fingerprint::of(&before, stored_by);
    let (version, stored) = old.stored();
    Fingerprint::of(&after, by).compare(version, stored)
}

#[test]
fn every_part_of_the_input_changes_the_fingerprint() {
    let other = [
        FingerprintInput {
            method: "PUT",
            ..BASE
        },
        FingerprintInput { path: "/b", ..BASE },
        FingerprintInput { query: "q", ..BASE },
        FingerprintInput {
            content_type: b"text/plain",
            ..BASE
        },
        FingerprintInput { body: b"y", ..BASE },
        // The same bytes, split at another place.
        FingerprintInput {
            path: "/payments/",
            query: "1",
            ..BASE
        },
    ];
    for by in [FingerprintBy::Body, FingerprintBy::Json] {
        assert_eq!(compare((BASE, by), (BASE, by)), Comparison::Same);
        for input in other {
            assert_eq!(
                compare((BASE, by), (input, by)),
                Comparison::Different,
                "{input:?}"
            );
            assert_ne!(Fingerprint::of(&BASE, by), Fingerprint::of(&input, by));
        }
    }
}

#[test]
fn a_json_fingerprint_ignores_only_the_notation() {
    let json = |body| FingerprintInput { body, ..BASE };
    let same = |a: &'static [u8], b: &'static [u8]| {
        compare(
            (json(a), FingerprintBy::Json),
            (json(b), FingerprintBy::Json),
        )
    };
    let (a, b) = (br#"{"a":1,"b":[1.0]}"#, b"{ \"b\": [1],\n \"a\": 1 }");
    assert_eq!(same(a, b), Comparison::Same);
    assert_eq!(same(br#"{"a":1}"#, br#"{"a":2}"#), Comparison::Different);
}

#[test]
fn a_record_is_compared_in_its_own_form() {
    let (body, json) = (FingerprintBy::Body, FingerprintBy::Json);
    let other = FingerprintInput {
        body: br#"{"a":2}"#,
        ..BASE
    };
    for (before, after) in [(body, json), (json, body), (body, CUSTOM), (json, CUSTOM)] {
        let is = |retry| compare((BASE, before), (retry, after));
        assert_eq!(is(BASE), Comparison::Same, "{before:?} {after:?}");
        assert_eq!(is(other), Comparison::Different, "{before:?} {after:?}");
    }
}

#[test]
fn a_retry_matches_after_the_operation_got_another_kind_of_name() {
    let by_parameters = FingerprintInput {
        path: "/1:1",
        other_path: Some("/payments/1"),
        is_by_parameters: true,
        ..BASE
    };
    let other_path = FingerprintInput {
        path: "/1:2",
        other_path: Some("/payments/2"),
        ..by_parameters
    };
    for by in [FingerprintBy::Body, FingerprintBy::Json] {
        assert_eq!(compare((BASE, by), (by_parameters, by)), Comparison::Same);
        assert_eq!(compare((by_parameters, by), (BASE, by)), Comparison::Same);
        assert_eq!(compare((BASE, by), (other_path, by)), Comparison::Different);
    }
}

#[test]
fn only_headers_that_both_sides_list_are_compared() {
    let by = FingerprintBy::Body;
    let euro = FingerprintInput {
        headers: &[("x-currency", b"EUR")],
        header_names: &["x-currency"],
        ..BASE
    };
    let dollar = FingerprintInput {
        headers: &[("x-currency", b"USD")],
        ..euro
    };
    let none = FingerprintInput {
        headers: &[],
        ..euro
    };
    let more = FingerprintInput {
        headers: &[("x-account", b"7"), ("x-currency", b"EUR")],
        header_names: &["x-currency", "x-account"],
        ..BASE
    };
    for (before, after) in [
        (BASE, euro),
        (euro, BASE),
        (euro, more),
        (more, euro),
        (none, none),
    ] {
        assert_eq!(
            compare((before, by), (after, by)),
            Comparison::Same,
            "{after:?}"
        );
    }
    for (before, after) in [(euro, dollar), (euro, none), (none, euro), (more, dollar)] {
        assert_eq!(
            compare((before, by), (after, by)),
            Comparison::Different,
            "{after:?}"
        );
    }
}

#[test]
fn every_one_of_40_listed_headers_is_compared_and_all_fit_the_column() {
    let names: Vec<String> = (0..40).map(|number| format!("x-{number:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let headers: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b"1"[..])).collect();
    let all = FingerprintInput {
        headers: &headers,
        header_names: &names,
        ..BASE
    };
    let by = FingerprintBy::Body;
    assert!(Fingerprint::of(&all, by).stored().1.len() <= 255);
    assert!(Fingerprint::of(&all, CUSTOM).stored().1.len() <= 255);
    for changed in 0..names.len() {
        let mut headers = headers.clone();
        if let Some((_, value)) = headers.get_mut(changed) {
            *value = b"2";
        }
        let other = FingerprintInput {
            headers: &headers,
            ..all
        };
        assert_eq!(
            compare((all, by), (other, by)),
            Comparison::Different,
            "{changed}"
        );
    }
}

#[test]
fn a_removed_function_refuses_no_retry() {
    let with_note = FingerprintInput {
        body: br#"{"a":1}#again"#,
        ..BASE
    };
    let other = FingerprintInput {
        body: b"other",
        ..BASE
    };
    assert_eq!(
        compare((BASE, CUSTOM), (with_note, CUSTOM)),
        Comparison::Same
    );
    assert_eq!(
        compare((BASE, CUSTOM), (other, CUSTOM)),
        Comparison::Different
    );
    let second = FingerprintBy::Custom("second", |_| [7; 32]);
    for after in [second, FingerprintBy::Body, FingerprintBy::Json] {
        assert_eq!(compare((BASE, CUSTOM), (BASE, after)), Comparison::Same);
        assert_eq!(
            compare((BASE, CUSTOM), (with_note, after)),
            Comparison::NotComparable
        );
    }
}

/// The bytes that the first form stored.
fn first_form(version: i16, input: &FingerprintInput<'_>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(version.to_be_bytes());
    for bytes in [input.method, input.path, input.query] {
        part(&mut hash, bytes.as_bytes());
    }
    part(&mut hash, input.content_type);
    for (name, value) in input.headers {
        part(&mut hash, name.as_bytes());
        part(&mut hash, value);
    }
    part(&mut hash, input.body);
    hash.finalize().into()
}

#[test]
fn records_of_the_first_form_match_under_any_options() {
    let listed = FingerprintInput {
        path: "/1:1",
        other_path: Some("/payments/1"),
        headers: &[("x-currency", b"EUR")],
        header_names: &["x-currency"],
        is_by_parameters: true,
        ..BASE
    };
    let other = FingerprintInput {
        body: b"other",
        ..listed
    };
    // A canonical body, so that both kinds digest the same bytes.
    for version in [BODY_V1, JSON_V1] {
        let stored = first_form(version, &BASE);
        for by in [FingerprintBy::Body, FingerprintBy::Json, CUSTOM] {
            let retry = |input| Fingerprint::of(input, by).compare(version, &stored);
            assert_eq!(retry(&BASE), Comparison::Same);
            assert_eq!(retry(&listed), Comparison::Same);
            assert_eq!(retry(&other), Comparison::Different);
        }
    }
    let of_function = made(BASE.body);
    let retry = |by| Fingerprint::of(&BASE, by).compare(CUSTOM_V1, &of_function);
    assert_eq!(retry(CUSTOM), Comparison::Same);
    assert_eq!(retry(FingerprintBy::Body), Comparison::NotComparable);
}

#[test]
fn a_form_of_a_later_build_is_unreadable() {
    let retry = Fingerprint::of(&BASE, FingerprintBy::Body);
    for (version, stored) in [
        (99, &[0; 33][..]),
        (BODY_V2, &[]),
        (BODY_V2, &[0; 9]),
        (CUSTOM_V2, &[0; 9]),
    ] {
        assert_eq!(
            retry.compare(version, stored),
            Comparison::Unknown,
            "{version} {stored:?}"
        );
    }
}

#[test]
fn a_fingerprint_still_compares_without_its_body() {
    for by in [FingerprintBy::Body, FingerprintBy::Json, CUSTOM] {
        let other = FingerprintInput {
            body: b"other",
            ..BASE
        };
        let old = Fingerprint::of(&BASE, by);
        let (version, stored) = old.stored();
        let retry = |input| {
            Fingerprint::of(input, by)
                .without_body()
                .compare(version, stored)
        };
        assert_eq!(retry(&BASE), Comparison::Same);
        assert_eq!(retry(&other), Comparison::Different);
    }
}

#[test]
fn a_json_fingerprint_still_compares_the_other_path_without_its_body() {
    let by_parameters = FingerprintInput {
        path: "/1:1",
        other_path: Some("/payments/1"),
        is_by_parameters: true,
        ..BASE
    };
    let other = FingerprintInput {
        body: br#"{"a":2}"#,
        ..by_parameters
    };
    let old = Fingerprint::of(&BASE, FingerprintBy::Json);
    let (version, stored) = old.stored();
    let retry = |input| {
        let print = Fingerprint::of(input, FingerprintBy::Json);
        print.without_body().compare(version, stored)
    };
    assert_eq!(retry(&by_parameters), Comparison::Same);
    assert_eq!(retry(&other), Comparison::Different);
}

#[test]
fn a_record_without_a_fingerprint_matches_everything() {
    let (none, some) = (Fingerprint::none(), Fingerprint::of(&BASE, CUSTOM));
    for (old, now) in [(&none, &some), (&some, &none), (&none, &none)] {
        let (version, stored) = old.stored();
        assert_eq!(now.compare(version, stored), Comparison::Same);
    }
}
