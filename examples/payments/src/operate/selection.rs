//! Which records are meant: a filter of the database, and what it cannot compare.
//!
//! States and digests are compared here, so most of what is read may not be meant: a page ends after so many records, and
//! offers the next one.

use idem_axum::{IdempotencyKey, RecordFilter, RecordView, Scope};
use serde::Deserialize;

use crate::app::AppState;
use crate::operate::failure::Failure;
use crate::operate::record_name::{KeyDigest, check_operation, is_hex, stored_scope};

/// The fields of the filter, as the form sends them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    pub(super) operation: String,
    pub(super) state: String,
    pub(super) scope: String,
    pub(super) key: String,
    pub(super) digest: String,
}

/// The records of a filter.
pub(super) struct Selection {
    filter: RecordFilter,
    state: Option<&'static str>,
    digest: Option<KeyDigest>,
    /// The id of a message, which may contain what no key of a request does.
    id: Option<String>,
}

pub(super) const STATES: [&str; 4] = ["completed", "expired", "broken", "parked"];

impl Selection {
    /// # Errors
    ///
    /// A field cannot be that of any record.
    pub(super) fn of(fields: &Fields) -> Result<Self, Failure> {
        let mut filter = RecordFilter::default();
        if !fields.scope.is_empty() {
            filter = filter.scope(scope(&fields.scope)?);
        }
        if !fields.operation.is_empty() {
            check_operation(&fields.operation)?;
            filter = filter.operation(&fields.operation);
        }
        let mut id = None;
        match (&*fields.key, fields.operation.starts_with("inbox:")) {
            ("", _) => {}
            // The id of a message is in no header: quotes in it are its own.
            (message_id, true) => match message_id.parse() {
                Ok(key) => filter = filter.key(key),
                Err(_) => id = Some(message_id.to_owned()),
            },
            (key, false) => filter = filter.key(read_key(key)?),
        }
        Ok(Self {
            filter,
            state: state(&fields.state)?,
            digest: match &*fields.digest {
                "" => None,
                digest => Some(KeyDigest::read(digest)?),
            },
            id,
        })
    }

    fn has(&self, view: &RecordView) -> bool {
        let key = &view.name.key;
        self.state.is_none_or(|state| view.state.as_str() == state)
            && self.digest.as_ref().is_none_or(|digest| digest.is_of(key))
            && self.id.as_ref().is_none_or(|id| key.as_str() == id)
    }

    /// How many records are read at a time: no more than are shown, if the database compares all.
    fn chunk(&self) -> u32 {
        let compares_all = self.state.is_none() && self.digest.is_none() && self.id.is_none();
        if compares_all { SHOWN + 1 } else { CHUNK }
    }

    /// One page of the list, from the record after `after` on.
    pub(super) async fn page(
        &self,
        app: &AppState,
        after: Option<RecordView>,
    ) -> Result<Page, Failure> {
        let (mut page, mut last) = (Page::default(), after);
        loop {
            let chunk = app
                .idem
                .records(&self.filter, last.as_ref(), self.chunk())
                .await?;
            let is_end = chunk.len() < usize::try_from(self.chunk()).unwrap_or(usize::MAX);
            for view in chunk {
                if page.records.len() >= SHOWN as usize || page.read >= READ {
                    page.last = last;
                    return Ok(page);
                }
                page.read += 1;
                if self.has(&view) {
                    page.records.push(view.clone());
                }
                last = Some(view);
            }
            if is_end {
                return Ok(page);
            }
        }
    }
}

/// A part of a list.
#[derive(Default)]
pub(super) struct Page {
    pub(super) records: Vec<RecordView>,
    /// How many records were looked at.
    pub(super) read: usize,
    /// The record after which the list goes on; `None` at its end.
    pub(super) last: Option<RecordView>,
}

/// How many records are shown at most.
const SHOWN: u32 = 50;
/// How many records are looked at for one page.
const READ: usize = 2_000;
/// How many records are read at a time where most are not meant.
const CHUNK: u32 = 500;

fn state(text: &str) -> Result<Option<&'static str>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    let state = STATES.into_iter().find(|state| *state == text);
    let invalid = || Failure::invalid("A state is completed, expired, broken or parked.");
    state.ok_or_else(invalid).map(Some)
}

/// A scope, as an application makes it or as the list shows it: a long one as its digest.
fn scope(text: &str) -> Result<Scope, Failure> {
    let digest = text.strip_prefix("sha256:");
    match digest.is_some_and(|hex| hex.len() == 64 && is_hex(hex)) {
        true => stored_scope(text),
        false => Scope::new(text).map_err(|error| Failure::invalid(error.to_string())),
    }
}

/// A key as in the header, or without its quotes.
fn read_key(key: &str) -> Result<IdempotencyKey, Failure> {
    let read = match key.starts_with('"') {
        true => IdempotencyKey::from_field(key.as_bytes()),
        false => key.parse(),
    };
    read.map_err(|error| Failure::invalid(error.to_string()))
}
