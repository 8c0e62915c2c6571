//! Properties that hold for every key field that a client can send.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::{IdempotencyKey, InvalidKey};

/// A field as clients write it, with the parameters of a structured field.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let string = r#""([ !#-\[\]-~]|\\["\\]){0,8}""#;
    let value = format!(
        r"({string}|-?[0-9]{{1,3}}(\.[0-9])?|\?[01]|[a-zA-Z*][a-z0-9:/]{{0,4}}|:[A-Za-z0-9+/]{{0,8}}=?=?:|@[0-9]{{1,9}})"
    );
    let parameters = format!("(; ?[a-z*][a-z0-9_.*-]{{0,3}}(={value})?){{0,3}}");
    let quoted = format!(r#"[ \t]?"([ !#-\[\]-~]|\\["\\]){{0,260}}"{parameters}[ \t]?"#);
    let generated = |pattern: &str| proptest::string::bytes_regex(pattern).unwrap();
    prop_oneof![
        4 => generated(&quoted),
        2 => generated("[ \t]?[!-~]{0,260}[ \t]?"),
        1 => generated(r#"[a-z"\\,; =()\t\x00\x7f\x80\xff]{0,12}"#),
        1 => any::<Vec<u8>>(),
    ]
}

/// A field with some bytes replaced.
fn spoilt_field() -> impl Strategy<Value = Vec<u8>> {
    let changes = vec((any::<Index>(), any::<u8>()), 0..3);
    (field(), changes).prop_map(|(mut field, changes)| {
        for (at, byte) in changes {
            if !field.is_empty() {
                let at = at.index(field.len());
                field[at] = byte;
            }
        }
        field
    })
}

fn quoted(key: &str) -> String {
    format!("\"{}\"", key.replace('\\', "\\\\").replace('"', "\\\""))
}

proptest! {
    #[test]
    fn any_accepted_key_field_round_trips(field in spoilt_field()) {
        let strict = IdempotencyKey::from_strict_field(&field);
        let key = IdempotencyKey::from_field(&field);
        if strict.is_ok() {
            prop_assert_eq!(&strict, &key);
        }
        if let Ok(key) = key {
            let text = key.as_str();
            prop_assert!((1..=IdempotencyKey::MAX_LEN).contains(&text.len()));
            prop_assert!(text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            let again = quoted(text);
            prop_assert_eq!(IdempotencyKey::from_field(again.as_bytes()), Ok(key.clone()));
            prop_assert_eq!(IdempotencyKey::from_strict_field(again.as_bytes()), Ok(key.clone()));
            prop_assert_eq!(text.parse(), Ok(key.clone()));
            prop_assert_eq!(IdempotencyKey::stored(text.to_owned()), key);
        }
    }

    #[test]
    fn printable_text_is_the_same_key_in_each_form(text in "[ -~]{0,300}") {
        let key = text.parse::<IdempotencyKey>();
        let expected = match text.len() {
            0 => Err(InvalidKey::Empty),
            1..=IdempotencyKey::MAX_LEN => Ok(text.as_str()),
            _ => Err(InvalidKey::TooLong),
        };
        prop_assert_eq!(key.as_ref().map(IdempotencyKey::as_str), expected.as_ref().copied());
        let quoted = quoted(&text);
        prop_assert_eq!(&IdempotencyKey::from_field(quoted.as_bytes()), &key);
        prop_assert_eq!(&IdempotencyKey::from_strict_field(quoted.as_bytes()), &key);
        let bare = IdempotencyKey::from_field(text.as_bytes());
        if !text.is_empty() && !text.contains([' ', '"', ',']) {
            prop_assert_eq!(&bare, &key);
        }
        // A value without a leading quote is the key itself, without the white space around it.
        if let Ok(key) = bare && !text.trim().starts_with('"') {
            prop_assert_eq!(key.as_str(), text.trim());
        }
    }

    #[test]
    fn two_fields_give_equal_keys_exactly_when_their_texts_are_equal(a in "[ -~]{1,4}", b in "[ -~]{1,4}") {
        let key = |text: &str| IdempotencyKey::from_field(quoted(text).as_bytes()).unwrap();
        prop_assert_eq!(a == b, key(&a) == key(&b));
    }
}
