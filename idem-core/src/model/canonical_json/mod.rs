//! The canonical form of a JSON body, if there is one without loss.
//!
//! Clients that serialize a body anew for each retry may change the order of names, spaces and the
//! notation of numbers. RFC 8785 defines one form for all of these. It is only safe where reading
//! loses nothing, and JSON parsers lose a lot: of two members with one name they keep one, and of a
//! long number its first digits. `{"amount":9007199254740993}` and `…992` are the same double, so
//! the form of the first would pass for the second.
//!
//! Three things are checked. If one fails, there is no form, and the bytes are compared:
//!
//! 1. The body is UTF-8, valid JSON, not nested too deep, and no object has a name twice. Names are
//!    compared after their escapes are read: `"a"` and `"\u0061"` are one name.
//! 2. Each number has a form with the same decimal value.
//! 3. No string is one that `serde_json` itself reads in a special way.
//!
//! The bytes are always a correct answer: at worst a retry that was serialized anew is refused. A
//! wrong form would replay the response to another request.
//!
//! **Why a reader of its own,** and not a parser: a parser gives a number as a double, without its
//! digits, so the text has to be read again for them, a tree be built, and the tree be written. That
//! takes 100 ms for 2 MiB of small objects. This reader writes the form while it reads, in a fifth
//! of the time. It leaves doubles and escapes to libraries, and tests compare every form with that
//! of a parser and a canonicalizer (`by_library`).

#[cfg(test)]
mod by_library;
#[cfg(test)]
mod exact;
mod number;
#[cfg(test)]
mod properties;
mod reader;
mod string;

/// The RFC 8785 form of a body, or `None` if two different bodies could have the same form.
///
/// A changed amount must never look equal, so the form must lose nothing of the body. There is no
/// form for invalid JSON, duplicate names, integers beyond 2^53, decimals that a double cannot
/// hold, and a body that is nested deeper than 127 levels.
pub(crate) fn canonical(body: &[u8]) -> Option<Vec<u8>> {
    reader::read(std::str::from_utf8(body).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_numbers_have_a_canonical_form() {
        for body in [
            "9007199254740992",
            "-9007199254740992",
            "12.50",
            "1e3",
            "0.1",
            "[1,[2]]",
            r#"{"9007199254740993":"\\\"9007199254740993","a":1e3}"#,
        ] {
            assert!(canonical(body.as_bytes()).is_some(), "{body}");
        }
    }

    #[test]
    fn numbers_that_a_double_cannot_hold_have_no_form() {
        let bodies = [
            "9007199254740993",
            "[{\"a\":9007199254740993}]",
            "0.10000000000000000001",
            "1e400",
            "1e-400",
            "99999999999999999999",
            "0.1e-250000000000",
            "0e999999999999",
            r#"{"a\\\"":"\\\\","b":9007199254740993}"#,
        ];
        for body in bodies {
            assert!(canonical(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn duplicate_names_and_broken_json_have_no_form() {
        for body in [
            r#"{"a":1,"a":2}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[{"b":{"a":1,"a":1}}]"#,
            "{",
            "",
        ] {
            assert!(canonical(body.as_bytes()).is_none(), "{body}");
        }
    }

    #[test]
    fn an_object_that_the_parser_reads_as_another_value_has_no_form() {
        let raw = r#"{"a":{"$serde_json::private::RawValue":"9007199254740993"}}"#;
        // The dependencies of the tests turn the feature on.
        let read: serde_json::Value = serde_json::from_str(raw).unwrap();
        assert!(read["a"].is_number());
        for body in [
            raw,
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"{"\u0024serde_json::private::RawValue":"1"}"#,
            r#"[{"$serde\u005fjson::private::RawValue":"[]"}]"#,
        ] {
            assert!(canonical(body.as_bytes()).is_none(), "{body}");
        }
        for body in [r#"{"$serde":1}"#, r#""\u00e9""#, r#"{"$ref":"$"}"#] {
            assert!(canonical(body.as_bytes()).is_some(), "{body}");
        }
    }

    #[test]
    fn text_that_is_not_unicode_has_no_form() {
        for body in [
            &b"\xef\xbb\xbf1"[..],
            br#""\ud800""#,
            br#""\udc00\ud800""#,
            b"\"\xff\"",
        ] {
            assert!(canonical(body).is_none(), "{body:?}");
        }
    }

    #[test]
    fn a_body_nested_too_deep_has_no_form_and_crashes_nothing() {
        for (open, inner, close) in [("[", "", "]"), (r#"{"a":"#, "1", "}")] {
            let (open, close) = (open.repeat(100_000), close.repeat(100_000));
            let body = format!("{open}{inner}{close}");
            assert!(canonical(body.as_bytes()).is_none());
        }
    }

    #[test]
    fn a_body_is_read_as_deep_as_a_parser_reads_it() {
        for (levels, has_form) in [(127, true), (128, false)] {
            for (open, inner, close) in [("[", "", "]"), (r#"{"a":"#, "1", "}")] {
                let body = format!("{}{inner}{}", open.repeat(levels), close.repeat(levels));
                assert_eq!(canonical(body.as_bytes()).is_some(), has_form, "{body}");
                let by_library = by_library::canonical(body.as_bytes());
                assert_eq!(canonical(body.as_bytes()), by_library);
            }
        }
    }

    #[test]
    fn members_are_sorted_by_utf_16_at_every_level() {
        let body = "[ {\"\u{ff5e}\":{\"b\":1.0,\"a\":[]}, \"\u{1f600}\":{}, \"\\u0061\":\"\\/\u{7f}\\u001F\"} ]";
        let form = "[{\"a\":\"/\u{7f}\\u001f\",\"\u{1f600}\":{},\"\u{ff5e}\":{\"a\":[],\"b\":1}}]";
        assert_eq!(canonical(body.as_bytes()), Some(form.into()));
        assert_eq!(by_library::canonical(body.as_bytes()), Some(form.into()));
    }
}
