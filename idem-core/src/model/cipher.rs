//! What a record's stored response is encrypted with, whichever keys and algorithm that are.

use std::fmt;

/// Encrypts and decrypts with authentication: what was changed, or belongs to another record, is not read.
///
/// `context` is authenticated and not encrypted: it says what the content belongs to.
pub(crate) trait RecordCipher: fmt::Debug + Send + Sync {
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
