//! The keys with which stored responses are encrypted, and how they are used.
//!
//! The algorithm is XChaCha20-Poly1305. Its nonce has 192 bits and is random, so one key may encrypt any
//! number of records: with the 96 bits of AES-GCM the bound would be 2^32 (NIST SP 800-38D, section 8.3), which a busy
//! service reaches in weeks. It needs no instructions of the processor to be fast and constant in time.
//!
//! What is authenticated beside the content is the key's id, the record's name and its status. So a row
//! that is copied to another name, or whose status is changed, is not read.

use std::fmt;

use chacha20poly1305::aead::{Aead, Generate, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

use super::cipher::{EncryptedContent, MAX_KEY_ID, RecordCipher, is_key_id};

/// The application's keys for stored responses: one that encrypts, unless encryption is turned off, and
/// others that are still read.
///
/// A key is 32 random bytes from the application's own key management, and has an id, which stands in the
/// clear in each record. Keys are erased from memory when the last handle is dropped; `Debug` shows
/// their ids alone.
///
/// # Rotation
///
/// 1. Add the new key with [`also_reads`](Self::also_reads) on all nodes.
/// 2. Make it the current one, and keep the old one with `also_reads`.
/// 3. Remove the old one when the longest ttl is over.
///
/// # Turning it on and off
///
/// A node that has no key yet cannot read what another one has encrypted. So give
/// [`only_reads`](Self::only_reads) to all nodes first, and [`new`](Self::new) then. To turn it off:
///
/// 1. Give [`only_reads`](Self::only_reads) to all nodes, with `also_reads` for other keys that rows still
///    name. New responses are stored in the clear.
/// 2. Remove the keys when no row is encrypted any more: at the latest after the longest ttl, and a sweep.
///
/// A node without a record's key answers its retries with 503 `record-unreadable`, and never runs them.
///
/// # Examples
///
/// ```
/// use idem_core::EncryptionKeys;
///
/// # fn load(_: &str) -> [u8; 32] { [7; 32] }
/// let keys = EncryptionKeys::new("2026-11", &load("2026-11"))?;
/// let keys = keys.also_reads("2026-05", &load("2026-05"))?;
/// assert_eq!(format!("{keys:?}"), "EncryptionKeys([\"2026-11\", \"2026-05\"])");
/// # Ok::<(), idem_core::InvalidKeyId>(())
/// ```
#[derive(Clone)]
pub struct EncryptionKeys {
    /// The current one first.
    keys: Vec<KeyEntry>,
    /// The first one encrypts.
    encrypts: bool,
}

/// A key and its id. It is boxed, so that a list that grows leaves no copy of it behind, which nobody erases.
#[derive(Clone)]
struct KeyEntry {
    id: Box<str>,
    cipher: Box<XChaCha20Poly1305>,
}

impl EncryptionKeys {
    /// The longest id of a key, in bytes.
    pub const MAX_ID_BYTES: usize = MAX_KEY_ID;

    /// The key that encrypts from now on, and its id.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`].
    pub fn new(id: &str, key: &[u8; 32]) -> Result<Self, InvalidKeyId> {
        Self::with(true, id, key)
    }

    /// A key that reads records, where none encrypts: responses are stored in the clear from now on.
    ///
    /// For turning encryption off while records of this key live, and for turning it on: it is the first step on
    /// many nodes.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`].
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::EncryptionKeys;
    ///
    /// # fn load(_: &str) -> [u8; 32] { [7; 32] }
    /// let keys = EncryptionKeys::only_reads("2026-11", &load("2026-11"))?;
    /// let keys = keys.also_reads("2026-05", &load("2026-05"))?;
    /// # Ok::<(), idem_core::InvalidKeyId>(())
    /// ```
    pub fn only_reads(id: &str, key: &[u8; 32]) -> Result<Self, InvalidKeyId> {
        Self::with(false, id, key)
    }

    fn with(encrypts: bool, id: &str, key: &[u8; 32]) -> Result<Self, InvalidKeyId> {
        let keys = Vec::new();
        Self { keys, encrypts }.also_reads(id, key)
    }

    /// Adds a key that reads records and encrypts none: an older one, or one that is to become the current.
    ///
    /// # Errors
    ///
    /// [`InvalidKeyId`], also for an id that is there already.
    pub fn also_reads(mut self, id: &str, key: &[u8; 32]) -> Result<Self, InvalidKeyId> {
        if !is_key_id(id) || self.find(id.as_bytes()).is_some() {
            return Err(InvalidKeyId);
        }
        self.keys.push(KeyEntry {
            id: id.into(),
            cipher: Box::new(XChaCha20Poly1305::new(key.into())),
        });
        Ok(self)
    }

    fn find(&self, id: &[u8]) -> Option<&XChaCha20Poly1305> {
        let mut keys = self.keys.iter();
        let found = keys.find(|key| key.id.as_bytes() == id)?;
        Some(&found.cipher)
    }
}

impl RecordCipher for EncryptionKeys {
    fn encrypts(&self) -> bool {
        self.encrypts
    }

    fn encrypt(&self, context: &[u8], plain: &[u8]) -> Option<EncryptedContent> {
        let KeyEntry { id, cipher } = self.keys.first()?;
        let nonce = XNonce::try_generate().ok()?;
        let aad = authenticated(id.as_bytes(), context);
        let payload = Payload {
            msg: plain,
            aad: &aad,
        };
        let encrypted = cipher.encrypt(&nonce, payload).ok()?;
        Some(EncryptedContent {
            key_id: id.as_bytes().to_vec(),
            bytes: [&nonce[..], &encrypted].concat(),
        })
    }

    fn decrypt(&self, key_id: &[u8], context: &[u8], bytes: &[u8]) -> Option<Vec<u8>> {
        let key = self.find(key_id)?;
        let (nonce, encrypted) = bytes.split_first_chunk::<24>()?;
        let aad = authenticated(key_id, context);
        let payload = Payload {
            msg: encrypted,
            aad: &aad,
        };
        key.decrypt(&XNonce::from(*nonce), payload).ok()
    }
}

/// The id of the key and the context: no two pairs have the same bytes.
fn authenticated(key_id: &[u8], context: &[u8]) -> Vec<u8> {
    let length = (key_id.len() as u64).to_be_bytes();
    [&length, key_id, context].concat()
}

impl fmt::Debug for EncryptionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<_> = self.keys.iter().map(|key| &key.id).collect();
        f.debug_tuple("EncryptionKeys").field(&ids).finish()
    }
}

/// The id of an encryption key is empty, too long, known already, or has other characters than visible
/// ASCII.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the id of an encryption key has 1 to 64 visible ASCII characters, and no other key has it"
)]
pub struct InvalidKeyId;

#[cfg(test)]
mod tests {
    use super::*;

    const CONTEXT: &[u8] = b"acme";

    fn keys(id: &str, byte: u8) -> EncryptionKeys {
        EncryptionKeys::new(id, &[byte; 32]).unwrap()
    }

    #[test]
    fn content_is_read_with_its_own_key_whatever_the_current_one_is() {
        let encrypted = keys("old", 1).encrypt(CONTEXT, b"paid").unwrap();
        assert_eq!(encrypted.key_id, b"old");
        assert!(!encrypted.bytes.windows(4).any(|part| part == b"paid"));
        let read = |keys: EncryptionKeys| keys.decrypt(b"old", CONTEXT, &encrypted.bytes);
        let rotated = keys("new", 2).also_reads("old", &[1; 32]).unwrap();
        assert_eq!(read(rotated), Some(b"paid".to_vec()));
        assert_eq!(read(keys("new", 1)), None);
        // Another key under the same id.
        assert_eq!(read(keys("old", 2)), None);
    }

    #[test]
    fn content_that_was_changed_or_belongs_elsewhere_is_not_read() {
        let keys = keys("id", 1).also_reads("other", &[1; 32]).unwrap();
        let EncryptedContent { bytes, .. } = keys.encrypt(CONTEXT, b"paid").unwrap();
        for byte in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[byte] ^= 1;
            assert_eq!(keys.decrypt(b"id", CONTEXT, &changed), None, "{byte}");
            assert_eq!(keys.decrypt(b"id", CONTEXT, &bytes[..byte]), None);
        }
        for context in [&b"acm"[..], b"acme ", b""] {
            assert_eq!(keys.decrypt(b"id", context, &bytes), None);
        }
        // The bytes of id and context, divided in another way.
        let moved = keys.also_reads("idac", &[1; 32]).unwrap();
        assert_eq!(moved.decrypt(b"idac", b"me", &bytes), None);
        let keys = moved;
        assert_eq!(keys.decrypt(b"other", CONTEXT, &bytes), None);
        assert_eq!(keys.decrypt(b"id", CONTEXT, &bytes), Some(b"paid".to_vec()));
    }

    #[test]
    fn no_two_encryptions_are_the_same() {
        let keys = keys("id", 1);
        let one = keys.encrypt(CONTEXT, b"paid").unwrap();
        assert_ne!(one.bytes, keys.encrypt(CONTEXT, b"paid").unwrap().bytes);
    }

    #[test]
    fn an_id_is_short_visible_and_its_own() {
        for id in ["", " ", "é", &"x".repeat(65)] {
            let made = EncryptionKeys::new(id, &[1; 32]);
            assert_eq!(made.unwrap_err(), InvalidKeyId, "{id}");
        }
        let twice = keys(&"x".repeat(64), 1).also_reads(&"x".repeat(64), &[2; 32]);
        assert_eq!(twice.unwrap_err(), InvalidKeyId);
    }

    #[test]
    fn a_key_that_only_reads_encrypts_nothing() {
        let encrypted = keys("old", 1).encrypt(CONTEXT, b"paid").unwrap();
        let reading = EncryptionKeys::only_reads("new", &[2; 32]).unwrap();
        let reading = reading.also_reads("old", &[1; 32]).unwrap();
        assert!(keys("old", 1).encrypts() && !reading.encrypts());
        let read = reading.decrypt(b"old", CONTEXT, &encrypted.bytes);
        assert_eq!(read, Some(b"paid".to_vec()));
    }

    #[test]
    fn debug_shows_no_key() {
        let shown = format!("{:?}", keys("id", 77));
        assert_eq!(shown, "EncryptionKeys([\"id\"])");
    }
}
