//! One record by its scope, its operation and the digest of its key.
//!
//! A key can be a secret, so no link of these pages has one, and neither has the place where a list goes on. The
//! database cannot look a digest up: it is found by reading the records of its scope and operation.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idem_axum::{IdempotencyKey, RecordFilter, RecordView, Scope};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::app::AppState;
use crate::operate::failure::Failure;
use crate::operate::text::address;

/// The name of one record without its key.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(super) struct Name {
    pub(super) scope: String,
    pub(super) operation: String,
    pub(super) digest: String,
}

impl Name {
    pub(super) fn of(view: &RecordView) -> Self {
        Self {
            scope: view.name.scope.as_str().to_owned(),
            operation: view.name.operation.as_str().to_owned(),
            digest: hex(&view.name.key),
        }
    }

    /// The page at this path, for this record.
    pub(super) fn address(&self, path: &str, said: &str) -> String {
        let name = [
            ("scope", &*self.scope),
            ("operation", &self.operation),
            ("digest", &self.digest),
        ];
        address(path, &[&name[..], &[("said", said)]].concat())
    }

    /// The record of this name.
    ///
    /// # Errors
    ///
    /// Several records have it, or too many would have to be read; a part of the name is missing.
    pub(super) async fn find(&self, app: &AppState) -> Result<Option<RecordView>, Failure> {
        if self.scope.is_empty() || self.operation.is_empty() || self.digest.is_empty() {
            return Err(Failure::invalid(
                "A record is named by its scope, its operation and the digest of its key.",
            ));
        }
        check_operation(&self.operation)?;
        let digest = KeyDigest::read(&self.digest)?;
        let filter = RecordFilter::default()
            .scope(stored_scope(&self.scope)?)
            .operation(&self.operation);
        let (mut found, mut last, mut read) = (None, None, 0);
        loop {
            let chunk = app.idem.records(&filter, last.as_ref(), CHUNK).await?;
            let Some(view) = chunk.last().cloned() else {
                return Ok(found);
            };
            read += chunk.len();
            for view in chunk
                .into_iter()
                .filter(|view| digest.is_of(&view.name.key))
            {
                if digest.is_whole() {
                    return Ok(Some(view));
                }
                if found.replace(view).is_some() {
                    return Err(Failure::ambiguous(
                        "Several records have this digest: take one from the list of its scope and operation.",
                    ));
                }
            }
            if read >= SOUGHT {
                return Err(Failure::invalid(
                    "Too many records of this scope and operation come before it: `payments idem records`, with --key, \
                     needs to read none of them.",
                ));
            }
            last = Some(view);
        }
    }

    /// The place in a list, for the address of its next page.
    pub(super) fn to_place(&self) -> String {
        let place = serde_json::to_vec(self).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(place)
    }

    /// # Errors
    ///
    /// The text is no place.
    pub(super) fn of_place(text: &str) -> Result<Self, Failure> {
        let place = URL_SAFE_NO_PAD.decode(text).ok();
        let place = place.and_then(|place| serde_json::from_slice(&place).ok());
        place.ok_or_else(|| {
            Failure::invalid("`after` is no place in a list: begin again at its first page.")
        })
    }
}

/// The beginning of a key's SHA-256. The command and the log show eight digits, links have all.
pub(super) struct KeyDigest(String);

impl KeyDigest {
    /// # Errors
    ///
    /// The text is no digest.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let digits = text.trim().trim_start_matches('#').to_ascii_lowercase();
        match (8..=64).contains(&digits.len()) && is_hex(&digits) {
            true => Ok(Self(digits)),
            false => Err(Failure::invalid("A digest has 8 to 64 hexadecimal digits.")),
        }
    }

    fn is_whole(&self) -> bool {
        self.0.len() == 64
    }

    pub(super) fn is_of(&self, key: &IdempotencyKey) -> bool {
        hex(key).starts_with(&self.0)
    }
}

fn hex(key: &IdempotencyKey) -> String {
    let digest = Sha256::digest(key.as_str().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Postgres compares no text with a NUL, and no operation has one.
pub(super) fn check_operation(operation: &str) -> Result<(), Failure> {
    match operation.chars().any(char::is_control) {
        true => Err(Failure::invalid(
            "An operation contains no control character.",
        )),
        false => Ok(()),
    }
}

pub(super) fn stored_scope(text: &str) -> Result<Scope, Failure> {
    Scope::of_record(text).map_err(|error| Failure::invalid(error.to_string()))
}

/// How many records are read at a time.
const CHUNK: u32 = 500;
/// How many records are read to find the one of a digest.
const SOUGHT: usize = 100_000;
