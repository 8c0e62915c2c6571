//! A dead letter as the commands print it.

use idem_core::DeadLetter;
use serde::Serialize;
use std::io::{self, Write};

use crate::output::content::Content;
use crate::output::time::utc;
use crate::output::{Entry, Output, json};

#[derive(Serialize)]
pub(super) struct LetterEntry {
    number: i64,
    consumer: String,
    scope: String,
    message_id: String,
    attempts: u32,
    parked_at: String,
    redriven_at: Option<String>,
    payload_bytes: Option<usize>,
    reference: Option<String>,
    error: Option<String>,
}

impl From<&DeadLetter> for LetterEntry {
    fn from(letter: &DeadLetter) -> Self {
        Self {
            number: letter.number(),
            consumer: letter.consumer().to_owned(),
            scope: letter.scope().as_str().to_owned(),
            message_id: letter.message_id.clone(),
            attempts: letter.attempts,
            parked_at: utc(letter.parked_at),
            redriven_at: letter.redriven_at.map(utc),
            payload_bytes: letter.payload.as_ref().map(Vec::len),
            reference: letter.reference.clone(),
            error: letter.error.clone(),
        }
    }
}

impl Entry for LetterEntry {
    const HEAD: &'static [&'static str] = &[
        "NUMBER",
        "CONSUMER",
        "SCOPE",
        "MESSAGE",
        "ATTEMPTS",
        "PARKED",
        "REDRIVEN",
        "PAYLOAD",
        "REFERENCE",
        "ERROR",
    ];

    fn cells(&self) -> Vec<String> {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            self.number.to_string(),
            self.consumer.clone(),
            self.scope.clone(),
            self.message_id.clone(),
            self.attempts.to_string(),
            self.parked_at.clone(),
            or_none(self.redriven_at.clone()),
            or_none(self.payload_bytes.map(|bytes| format!("{bytes} bytes"))),
            or_none(self.reference.clone()),
            or_none(self.error.clone()),
        ]
    }
}

/// A dead letter with its payload.
#[derive(Serialize)]
struct WithPayload {
    #[serde(flatten)]
    letter: LetterEntry,
    payload: Option<Content>,
}

/// Prints one dead letter with all its fields.
pub(super) fn print(letter: &DeadLetter, with_payload: bool, output: Output) -> io::Result<()> {
    let entry = LetterEntry::from(letter);
    if !with_payload {
        return output.details(&entry);
    }
    let payload = letter.payload.as_deref().map(Content::of);
    if output == Output::Json {
        let letter = entry;
        return json::print(&WithPayload { letter, payload });
    }
    output.details(&entry)?;
    match payload {
        Some(payload) => writeln!(io::stdout(), "\n{payload}\n"),
        None => writeln!(io::stdout(), "\nits payload was not kept\n"),
    }
}
