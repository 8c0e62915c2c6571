//! How keys are read and stored.

use super::*;

fn message(id: impl AsRef<[u8]>, is_business_key: bool) -> IdempotencyKey {
    IdempotencyKey::of_message(id.as_ref(), is_business_key).unwrap()
}

#[test]
fn an_id_that_can_be_stored_is_stored_unchanged() {
    let longest = "i".repeat(255);
    for id in ["1", "order/17 – été", longest.as_str()] {
        assert_eq!(message(id, false).as_str(), id);
    }
    assert_eq!(message("17", true).as_str(), "key:17");
    assert_eq!(IdempotencyKey::of_message(b"", false), None);
}

#[test]
fn distinct_message_identities_have_distinct_keys() {
    let long = "i".repeat(300);
    let hashed = message(&long, false);
    assert_eq!(hashed.as_str().len(), 7 + 64);
    let ids: [(&[u8], bool); 9] = [
        (long.as_bytes(), false),
        (long.as_bytes(), true),
        (hashed.as_str().as_bytes(), false),
        (b"a", false),
        (b"a", true),
        (b"key:a", false),
        (b"key:a", true),
        (b"a\0", false),
        (b"a\xff", false),
    ];
    let keys: std::collections::HashSet<_> = ids
        .iter()
        .map(|(id, is_key)| message(id, *is_key))
        .collect();
    assert_eq!(keys.len(), ids.len());
}

fn field(value: &str) -> Result<String, InvalidKey> {
    IdempotencyKey::from_field(value.as_bytes()).map(|key| key.as_str().to_owned())
}

#[test]
fn a_quoted_and_a_bare_key_are_equal() {
    assert_eq!(field("abc"), field("\"abc\""));
    assert_eq!(field("  abc "), Ok("abc".to_owned()));
}

#[test]
fn key_parameters_are_accepted_and_ignored() {
    assert_eq!(field("\"abc\";v=1;x"), Ok("abc".to_owned()));
}

#[test]
fn only_quote_and_backslash_can_be_escaped() {
    assert_eq!(field(r#""a\"b\\c""#), Ok(r#"a"b\c"#.to_owned()));
    assert_eq!(field(r#""a\nb""#), Err(InvalidKey::NotOneItem));
}

#[test]
fn lists_numbers_and_broken_quotes_are_refused() {
    for value in ["\"a\", \"b\"", "a,b", "\"a", "a\"b", "\"a\" b"] {
        assert_eq!(field(value), Err(InvalidKey::NotOneItem), "{value}");
    }
}

#[test]
fn an_empty_key_is_refused() {
    for value in ["", "  ", "\"\""] {
        assert_eq!(field(value), Err(InvalidKey::Empty), "{value}");
    }
}

#[test]
fn exactly_255_characters_fit_unchanged() {
    let longest = "k".repeat(255);
    assert_eq!(field(&longest), Ok(longest.clone()));
    assert_eq!(field(&format!("\"{longest}\"")), Ok(longest.clone()));
    assert_eq!(field(&format!("{longest}k")), Err(InvalidKey::TooLong));
}

#[test]
fn a_key_of_other_than_printable_ascii_is_refused() {
    assert_eq!(
        IdempotencyKey::from_field(b"a\x80"),
        Err(InvalidKey::Character)
    );
    assert_eq!(field("caf\u{e9}"), Err(InvalidKey::Character));
    assert_eq!(field("a b"), Err(InvalidKey::Character));
    assert_eq!(field("\"a b\""), Ok("a b".to_owned()));
    assert_eq!(field("a\u{7f}"), Err(InvalidKey::Character));
}

#[test]
fn strict_parsing_accepts_only_a_quoted_key() {
    assert_eq!(
        IdempotencyKey::from_strict_field(b"abc"),
        Err(InvalidKey::NotQuoted)
    );
    assert!(IdempotencyKey::from_strict_field(b"\"abc\"").is_ok());
    assert_eq!(
        IdempotencyKey::from_strict_field(b""),
        Err(InvalidKey::Empty)
    );
}

#[test]
fn debug_hides_the_key() {
    let key: IdempotencyKey = "secret-key".parse().unwrap();
    assert!(!format!("{key:?}").contains("secret"));
}

#[test]
fn different_keys_have_different_digests() {
    let digest = |key: &str| key.parse::<IdempotencyKey>().unwrap().digest();
    assert_ne!(digest("a"), digest("b"));
    assert_eq!(digest("a").len(), 8);
}
