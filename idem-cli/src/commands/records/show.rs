//! `records show`.

use std::io::{self, Write};

use idem_core::{Backend, Completion, Idempotency};
use serde::Serialize;

use super::entry::RecordEntry;
use super::select::Selected;
use crate::arguments::Selection;
use crate::failure::Failure;
use crate::output::content::Content;
use crate::output::{Output, json};

/// A record with its response.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    record: RecordEntry,
    headers: Content,
    body: Content,
}

pub(super) async fn run<DB: Backend>(
    idem: &Idempotency<DB>,
    selection: &Selection,
    with_body: bool,
    output: Output,
) -> Result<(), Failure> {
    let view = Selected::try_from(selection)?.one(idem).await?;
    let record = RecordEntry::from(&view);
    if !with_body {
        return Ok(output.details(&record)?);
    }
    let response = idem.stored_response(&view.name).await?;
    let response =
        response.ok_or_else(|| Failure::No("the record has gone meanwhile".to_owned()))?;
    Ok(print(record, &response, output)?)
}

fn print(record: RecordEntry, response: &Completion, output: Output) -> io::Result<()> {
    let (headers, body) = (Content::of(&response.headers), Content::of(&response.body));
    if output == Output::Json {
        return json::print(&Shown {
            record,
            headers,
            body,
        });
    }
    output.details(&record)?;
    writeln!(io::stdout(), "\n{headers}\n{body}")
}
