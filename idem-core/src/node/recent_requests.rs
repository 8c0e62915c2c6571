//! The requests of the last minute, to notice clients that make a new key for each retry.
//!
//! A client that makes a new key for each retry is not protected at all, and nothing in the
//! database shows it. So observed attempts are compared without their keys: the same scope,
//! operation and fingerprint under another key within a minute is counted, and logged with the
//! digest of the key.
//!
//! It is a hint. Two equal requests may both be meant, a restart forgets all, and another node's
//! requests are not seen. At most 10,000 requests are kept, each as a digest of 32 bytes and 64
//! bits of a hash of its key.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::time::Instant;

use crate::{Fingerprint, RecordName};

/// The observed requests of this node, by scope, operation and fingerprint.
#[derive(Debug, Default)]
pub(crate) struct RecentRequests(Mutex<SeenRequests>);

#[derive(Debug, Default)]
struct SeenRequests {
    keys: HashMap<[u8; 32], (Instant, u64)>,
    in_order: VecDeque<(Instant, [u8; 32])>,
}

impl RecentRequests {
    /// Remembers an attempt. Returns whether the same request came under another key just now.
    pub(crate) fn is_key_new_for(
        &self,
        name: &RecordName,
        fingerprint: &Fingerprint,
        now: Instant,
    ) -> bool {
        let request = request(name, fingerprint);
        let key = hash(name.key.as_str());
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.forget(now);
        let before = seen.keys.insert(request, (now, key));
        seen.in_order.push_back((now, request));
        before.is_some_and(|(_, before)| before != key)
    }
}

impl SeenRequests {
    /// Forgets requests that are too old, and the oldest ones if there are too many.
    fn forget(&mut self, now: Instant) {
        while let Some((at, request)) = self.in_order.front().copied()
            && (now.duration_since(at) > WINDOW || self.in_order.len() >= MOST)
        {
            self.in_order.pop_front();
            // The request may have come again since.
            if self.keys.get(&request).is_some_and(|(last, _)| *last == at) {
                self.keys.remove(&request);
            }
        }
    }
}

/// The digest of a request without its key.
fn request(name: &RecordName, fingerprint: &Fingerprint) -> [u8; 32] {
    let (_, fingerprint) = fingerprint.stored();
    let mut hash = Sha256::new();
    for part in [name.scope.as_str(), name.operation.as_str()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.chain_update(fingerprint).finalize().into()
}

fn hash(key: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(key).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

/// How long a request is remembered.
const WINDOW: Duration = Duration::from_secs(60);
/// How many requests are remembered at most.
const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FingerprintBy, FingerprintInput, Operation, Scope};

    fn attempt(scope: &str, key: &str, body: &[u8]) -> (RecordName, Fingerprint) {
        let name = RecordName {
            scope: Scope::new(scope).unwrap(),
            operation: Operation::new("POST /payments").unwrap(),
            key: key.parse().unwrap(),
        };
        let input = FingerprintInput::new("POST", "/", body);
        (name, Fingerprint::of(&input, FingerprintBy::Body))
    }

    #[test]
    fn a_new_key_for_the_same_request_is_noticed_within_a_minute() {
        let (recent, start) = (RecentRequests::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let noticed =
            |(name, fingerprint), seconds| recent.is_key_new_for(&name, &fingerprint, at(seconds));
        assert!(!noticed(attempt("acme", "k1", b"a"), 0));
        assert!(!noticed(attempt("acme", "k1", b"a"), 1), "the same key");
        assert!(!noticed(attempt("acme", "k2", b"b"), 2), "another request");
        assert!(!noticed(attempt("globex", "k3", b"a"), 3), "another scope");
        assert!(noticed(attempt("acme", "k4", b"a"), 60));
        assert!(noticed(attempt("acme", "k1", b"a"), 120));
        assert!(!noticed(attempt("acme", "k5", b"a"), 181), "too late");
    }

    #[test]
    fn the_memory_of_requests_is_bounded() {
        let (recent, now) = (RecentRequests::default(), Instant::now());
        for number in 0..MOST * 3 {
            let (name, fingerprint) = attempt("acme", "k", &number.to_be_bytes());
            recent.is_key_new_for(&name, &fingerprint, now);
        }
        let seen = recent.0.lock().unwrap();
        assert!(seen.keys.len() <= MOST && seen.in_order.len() <= MOST);
    }
}
