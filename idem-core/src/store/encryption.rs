//! What of a record is encrypted, and how it stands in its row.
//!
//! | column | in the clear | encrypted |
//! | --- | --- | --- |
//! | `format` | [`FORMAT`] | [`ENCRYPTED_FORMAT`] |
//! | `fingerprint_version`, `fingerprint` | the fingerprint | -1, nothing |
//! | `headers` | the headers | the id of the key |
//! | `body` | the body | fingerprint, headers and body in one encryption |
//! | scope, operation, key, status, reference, times | the same | the same |
//!
//! The fingerprint is a digest of the request, and who knows what a request may say could guess it. It is
//! encrypted with the rest, and compared once it is read: so a new key turns no retry into a refusal.
//!
//! A node that cannot read a record leaves it as it is, in a format that no claim reads:
//! [`Error::Unreadable`](crate::Error::Unreadable). A build without this format does the same.

use std::sync::Arc;

use super::records::{ENCRYPTED_FORMAT, FORMAT, StoredRecord};
use crate::model::cipher::{EncryptedContent, RecordCipher, is_key_id};
use crate::model::fingerprint::Fingerprint;
use crate::model::record::{Completion, RecordName};

/// The system gives no random numbers, or the response is too long to be encrypted.
#[derive(Debug)]
pub(crate) struct CannotEncrypt;

/// Encrypts the content of a record, if the application has given a key for that.
///
/// A message's record has no response, and is not encrypted.
///
/// # Errors
///
/// [`CannotEncrypt`]. The record must not be stored then.
pub(crate) fn encrypt(
    cipher: Option<&dyn RecordCipher>,
    name: &RecordName,
    fingerprint: &Fingerprint,
    completion: &Completion,
) -> Result<Option<EncryptedContent>, CannotEncrypt> {
    let is_of_consumer = name.operation.is_of_consumer();
    let Some(cipher) = cipher.filter(|cipher| cipher.encrypts() && !is_of_consumer) else {
        return Ok(None);
    };
    let encrypted = encode(fingerprint, completion)
        .and_then(|plain| cipher.encrypt(&context(name, completion.status), &plain));
    encrypted.map(Some).ok_or(CannotEncrypt)
}

/// Decrypts a record if it is encrypted. One that cannot be read stays as it is.
pub(crate) fn decrypt(
    cipher: Option<&dyn RecordCipher>,
    name: &RecordName,
    record: StoredRecord,
) -> StoredRecord {
    if record.format != ENCRYPTED_FORMAT {
        return record;
    }
    let Completion {
        status,
        headers,
        body,
        ..
    } = &*record.completion;
    let plain = cipher.and_then(|cipher| cipher.decrypt(headers, &context(name, *status), body));
    match plain.and_then(|plain| decode(&plain, &record)) {
        Some(read) => read,
        None => {
            tracing::warn!(
                operation = name.operation.as_str(),
                key = name.key.digest(),
                key_id = shown_key_id(headers),
                "cannot decrypt a record: its encryption key is missing here, or its row was changed"
            );
            record
        }
    }
}

/// The id for the log. A changed row may have anything in its place, such as the client's own headers.
fn shown_key_id(stored: &[u8]) -> &str {
    let id = str::from_utf8(stored).unwrap_or_default();
    match is_key_id(id) {
        true => id,
        false => "(none)",
    }
}

/// What the content belongs to: the record's name and status. No two have the same bytes.
fn context(name: &RecordName, status: u16) -> Vec<u8> {
    let mut bytes = b"idem encrypted record v1".to_vec();
    bytes.extend(status.to_be_bytes());
    name.bytes_after(bytes)
}

/// The version of the fingerprint, its length in one byte and itself; the headers' length in four bytes and
/// themselves; the body.
fn encode(fingerprint: &Fingerprint, completion: &Completion) -> Option<Vec<u8>> {
    let (version, digest) = fingerprint.stored();
    let Completion { headers, body, .. } = completion;
    let mut plain = Vec::with_capacity(7 + digest.len() + headers.len() + body.len());
    plain.extend(version.to_be_bytes());
    plain.push(u8::try_from(digest.len()).ok()?);
    plain.extend(digest);
    plain.extend(u32::try_from(headers.len()).ok()?.to_be_bytes());
    plain.extend(headers);
    plain.extend(&body[..]);
    Some(plain)
}

fn decode(plain: &[u8], record: &StoredRecord) -> Option<StoredRecord> {
    let (version, rest) = plain.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (fingerprint, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (headers, body) = rest.split_at_checked(length)?;
    let stored = &record.completion;
    let mut completion = Completion::new(stored.status, headers.to_vec(), body.to_vec());
    completion.reference.clone_from(&stored.reference);
    Some(StoredRecord {
        format: FORMAT,
        fingerprint_version: i16::from_be_bytes(*version),
        fingerprint: fingerprint.to_vec(),
        completion: Arc::new(completion),
        ..record.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{IdempotencyKey, Operation, Scope};

    #[test]
    fn no_two_names_and_statuses_have_the_same_context() {
        let name = |scope, operation, key: &str| RecordName {
            scope: Scope::new(scope).unwrap(),
            operation: Operation::new(operation).unwrap(),
            key: key.parse::<IdempotencyKey>().unwrap(),
        };
        let one = name("acme", "pay", "k");
        for other in [
            name("acm", "epay", "k"),
            name("acme", "payk", "k"),
            name("acme", "pa", "yk"),
            name("globex", "pay", "k"),
        ] {
            assert_ne!(context(&one, 201), context(&other, 201), "{other:?}");
        }
        assert_ne!(context(&one, 201), context(&one, 202));
    }

    #[test]
    fn only_what_can_be_the_id_of_a_key_is_logged() {
        assert_eq!(shown_key_id(b"2026-11"), "2026-11");
        for stored in [
            "location: /payments/1\r\n",
            "",
            "\u{1b}[2J",
            &"x".repeat(65),
        ] {
            assert_eq!(shown_key_id(stored.as_bytes()), "(none)", "{stored}");
        }
        assert_eq!(shown_key_id(b"\xff"), "(none)");
    }

    #[test]
    fn content_that_is_cut_off_is_not_read() {
        let completion = Completion::new(201, vec![1, 2], vec![3, 4, 5]);
        let plain = encode(&Fingerprint::none(), &completion).unwrap();
        let record = StoredRecord::new(&Fingerprint::none(), Completion::new(201, vec![], vec![]));
        let read = decode(&plain, &record).unwrap();
        assert_eq!(*read.completion, completion);
        // The body has no length of its own: the authentication tag covers that.
        for length in 0..plain.len() - 3 {
            assert!(decode(&plain[..length], &record).is_none(), "{length}");
        }
    }
}
