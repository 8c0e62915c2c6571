//! The idempotency keys that an operation sends to the services it calls.
//!
//! ```text
//! seed  HMAC-SHA-256(secret, "idem downstream v1", scope, operation, key)      once for each record
//! key   HMAC-SHA-256(seed, effect), written as a UUID of version 8 (RFC 9562, section 5.8)
//! ```
//!
//! They are computed and not stored: an attempt that crashes leaves nothing in the database, and its
//! retry must send the same keys.

use std::fmt;

use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::RecordName;

/// Idempotency keys for the requests that an operation sends to other services.
///
/// Each attempt of one record makes the same keys, so a service that deduplicates by its own
/// `Idempotency-Key` carries out the request of a retry once, also when the first attempt crashed after
/// the call. `docs/EFFECTS.md` shows the pattern, and what it does not cover.
///
/// A handler with a [`Tx`](crate::Tx) calls [`Tx::downstream_key`](crate::Tx::downstream_key); one
/// without takes this type as a parameter.
///
/// * **They depend on** the record's scope, operation and key, and on the
///   [secret](crate::IdempotencyBuilder::downstream_secret) of the handle. Whoever changes one of these
///   while attempts run lets their retries send other keys.
/// * **They outlive the record.** A client that uses its key again after the ttl makes the same keys.
/// * **Without a record**, for a request without a key and in the mode `off`, each attempt has keys of
///   its own.
///
/// # Examples
///
/// ```
/// use idem_core::DownstreamKeys;
///
/// let keys = DownstreamKeys::unrecorded();
/// let charge = keys.key("charge");
/// assert_eq!(charge.len(), 36);
/// assert_eq!(charge, keys.key("charge"));
/// assert_ne!(charge, keys.key("receipt"));
/// ```
#[derive(Clone)]
pub struct DownstreamKeys {
    seed: [u8; 32],
}

impl DownstreamKeys {
    pub(crate) fn of_record(secret: &[u8], name: &RecordName) -> Self {
        let bytes = name.bytes_after(b"idem downstream v1".to_vec());
        let seed = mac(secret, &bytes);
        Self { seed }
    }

    /// Keys that no attempt has, for a test or for an attempt without a record.
    #[must_use]
    pub fn unrecorded() -> Self {
        Self::of_attempt(Uuid::new_v4())
    }

    pub(crate) fn of_attempt(attempt: Uuid) -> Self {
        let seed = mac(attempt.as_bytes(), b"idem downstream v1, without a record");
        Self { seed }
    }

    /// The key of one effect, such as `"charge"`: 36 characters, a UUID of version 8.
    ///
    /// Name each effect of the operation differently, and by what it does; a second effect of the same
    /// kind needs a part of its own, such as `"charge:2"`. A name that changes between two builds
    /// makes another key.
    pub fn key(&self, effect: &str) -> String {
        let mut bytes = [0; 16];
        let made = mac(&self.seed, effect.as_bytes());
        bytes.iter_mut().zip(made).for_each(|(to, from)| *to = from);
        Builder::from_custom_bytes(bytes).into_uuid().to_string()
    }
}

/// Whoever knows the seed can compute all keys.
impl fmt::Debug for DownstreamKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DownstreamKeys").finish_non_exhaustive()
    }
}

/// HMAC-SHA-256 (RFC 2104). The crate `hmac` would bring two more to everyone who annotates a handler.
fn mac(secret: &[u8], bytes: &[u8]) -> [u8; 32] {
    let hash = |pad: u8, key: &[u8], bytes: &[u8]| {
        let mut block = [pad; BLOCK];
        block.iter_mut().zip(key).for_each(|(to, from)| *to ^= from);
        Sha256::new()
            .chain_update(block)
            .chain_update(bytes)
            .finalize()
    };
    let hashed: [u8; 32];
    let key = if secret.len() > BLOCK {
        hashed = Sha256::digest(secret).into();
        &hashed[..]
    } else {
        secret
    };
    let inner = hash(0x36, key, bytes);
    hash(0x5c, key, &inner).into()
}

/// The bytes that SHA-256 takes at a time.
const BLOCK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Operation, Scope};

    fn name(scope: &str, operation: &str, key: &str) -> RecordName {
        RecordName {
            scope: Scope::new(scope).unwrap(),
            operation: Operation::new(operation).unwrap(),
            key: key.parse().unwrap(),
        }
    }

    fn key(secret: &str, name: &RecordName, effect: &str) -> String {
        DownstreamKeys::of_record(secret.as_bytes(), name).key(effect)
    }

    #[test]
    fn the_key_of_an_effect_never_changes() {
        let name = name("acme", "POST /payments", "order-17");
        let made = [key("", &name, "charge"), key("secret", &name, "charge")];
        let expected = [
            "8040c401-fcc8-8004-b1dc-5cd1df080f3b",
            "1a916145-dd45-8c33-b607-181042cdab20",
        ];
        assert_eq!(made, expected);
    }

    /// The cases 1, 2, 6 and 7 of RFC 4231, section 4: a key of 20, 4 and 131 bytes.
    #[test]
    fn the_code_is_that_of_the_rfc() {
        let cases: [(&[u8], &[u8], &str); 4] = [
            (
                &[0x0b; 20],
                b"Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size data. \
                  The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, text, code) in cases {
            let made = mac(key, text).map(|byte| format!("{byte:02x}")).concat();
            assert_eq!(made, code);
        }
    }

    /// A key that fills the block is not hashed; the code was computed by another program.
    #[test]
    fn a_key_of_one_block_is_taken_as_it_is() {
        let made = mac(&[7; 64], b"charge")
            .map(|byte| format!("{byte:02x}"))
            .concat();
        assert_eq!(
            made,
            "85589fcc80b4b4c557ec95c5d23e3c03dd134de62c65f7e21b9e331d76e4d094"
        );
    }

    #[test]
    fn whatever_names_an_effect_changes_its_key() {
        let base = name("acme", "POST /payments", "order-17");
        let keys = [
            key("", &base, "charge"),
            key("", &base, "receipt"),
            key("", &base, ""),
            key("secret", &base, "charge"),
            key("", &name("acm", "ePOST /payments", "order-17"), "charge"),
            key("", &name("acme", "POST /refunds", "order-17"), "charge"),
            key("", &name("acme", "POST /payments", "order-18"), "charge"),
            DownstreamKeys::of_attempt(Uuid::from_u128(1)).key("charge"),
            DownstreamKeys::of_attempt(Uuid::from_u128(2)).key("charge"),
        ];
        let different: std::collections::HashSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
        for key in keys {
            let id = key.parse::<Uuid>().unwrap();
            assert_eq!((id.get_version_num(), key.len()), (8, 36));
        }
    }
}
