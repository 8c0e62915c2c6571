//! A key field is refused, or names a key that survives being sent again.

#![no_main]

use idem_core::IdempotencyKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|field: &[u8]| {
    let strict = IdempotencyKey::from_strict_field(field);
    let key = IdempotencyKey::from_field(field);
    if strict.is_ok() {
        assert_eq!(strict, key);
    }
    if let Ok(key) = key {
        let text = key.as_str();
        assert!((1..=IdempotencyKey::MAX_LEN).contains(&text.len()));
        assert!(text.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
        let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        assert_eq!(
            IdempotencyKey::from_field(quoted.as_bytes()),
            Ok(key.clone())
        );
        assert_eq!(
            IdempotencyKey::from_strict_field(quoted.as_bytes()),
            Ok(key.clone())
        );
        if !text.contains([' ', '"', ',']) {
            assert_eq!(IdempotencyKey::from_field(text.as_bytes()), Ok(key));
        }
    }
});
