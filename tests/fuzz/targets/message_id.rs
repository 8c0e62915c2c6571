//! Different identities of messages never share a key.
//!
//! The first byte says of both whether they are business keys, the second where the first ends.

#![no_main]
#![allow(
    dead_code,
    reason = "a file of another crate, of which this uses one function"
)]

use libfuzzer_sys::fuzz_target;

#[path = "../../../idem-core/src/model/key.rs"]
mod key;

use key::IdempotencyKey;

fuzz_target!(|data: &[u8]| {
    let [kinds, end, ids @ ..] = data else {
        return;
    };
    let (a, b) = ids.split_at(ids.len().min(usize::from(*end)));
    let (a, b) = ((a, kinds & 1 == 1), (b, kinds & 2 == 2));
    let key = |(id, is_business_key)| IdempotencyKey::of_message(id, is_business_key);
    let (key_a, key_b) = (key(a), key(b));
    if let (Some(key_a), Some(key_b)) = (&key_a, &key_b) {
        assert_eq!(a == b, key_a == key_b);
        let stored = key_a.as_str();
        assert!((1..=IdempotencyKey::MAX_LEN).contains(&stored.len()));
        assert!(!stored.contains(char::is_control));
        // An id that is what another one is stored as.
        for kind in [false, true] {
            if (stored.as_bytes(), kind) != a {
                assert_ne!(key((stored.as_bytes(), kind)).as_ref(), Some(key_a));
            }
        }
    }
});
