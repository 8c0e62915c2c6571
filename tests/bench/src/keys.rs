//! Keys of stored responses.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The key with this number, as long as a UUID and as randomly ordered. `NUMBERED_KEY` is the same in SQL.
pub(crate) fn numbered(n: u64) -> String {
    let scattered = n.wrapping_mul(2_654_435_761) & 0xffff_ffff;
    format!("{scattered:08x}-{n:027}")
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
