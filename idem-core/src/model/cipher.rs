//! What a record's stored response is encrypted with, whichever keys and algorithm that are.

use std::fmt;

/// Encrypts and decrypts with authentication: what was changed, or belongs to another record, is not read.
///
/// `context` is authenticated and not encrypted: it says what the content belongs to.
pub(crate) trait RecordCipher: fmt::Debug + Send + Sync {
    /// Whether new content is encrypted, not only old content decrypted.
    fn encrypts(&self) -> bool;

    /// Encrypts with the current key, and names it. `None`: the operating system gives no random numbers.
    fn encrypt(&self, context: &[u8], plain: &[u8]) -> Option<EncryptedContent>;

    /// Decrypts with the key of this id. `None`: there is no such key, or the content is not authentic.
    fn decrypt(&self, key_id: &[u8], context: &[u8], bytes: &[u8]) -> Option<Vec<u8>>;
}

/// Content as it is stored.
#[derive(Debug)]
pub(crate) struct EncryptedContent {
    /// Which of the application's keys reads it.
    pub(crate) key_id: Vec<u8>,
    pub(crate) bytes: Vec<u8>,
}

/// The longest id of a key, in bytes.
pub(crate) const MAX_KEY_ID: usize = 64;

/// Whether a text can be the id of a key: it is short, and visible in logs and in SQL.
pub(crate) fn is_key_id(id: &str) -> bool {
    (1..=MAX_KEY_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}
