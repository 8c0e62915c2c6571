//! Keys of stored responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The key with this number, as long as a UUID and as randomly ordered. `NUMBERED_KEY` is the same in SQL.
pub(crate) fn numbered(n: u64) -> String {
    let scattered = n.wrapping_mul(2_654_435_761) & 0xffff_ffff;
    format!("{scattered:08x}-{n:027}")
}

/// The number of such a key.
pub(crate) fn number_of(key: &str) -> Option<u64> {
    let n = key.get(9..)?.parse().ok()?;
    (numbered(n) == key).then_some(n)
}

/// Goes round the first `count` keys.
pub(crate) fn again(count: u64) -> impl Fn(usize) -> String + Send + Sync + 'static {
    move |n| numbered(n as u64 % count)
}

/// Gives each key once, since a node knows a key that it has replayed.
pub(crate) fn once(stored: u64) -> impl Fn(usize) -> String + Send + Sync + 'static {
    let next = Arc::new(AtomicU64::new(0));
    move |_| {
        let n = next.fetch_add(1, Ordering::Relaxed);
        assert!(
            n < stored,
            "all {stored} keys are used: choose a greater --stored"
        );
        numbered(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_numbered_key_has_a_number() {
        let key = numbered(1_234_567);
        assert_eq!(number_of(&key), Some(1_234_567));
        for other in [
            "",
            "template",
            &key[..35],
            &format!("{key}0"),
            &key.replace('7', "8"),
        ] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
