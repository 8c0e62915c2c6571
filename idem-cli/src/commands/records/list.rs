//! `records list`.

use idem_core::{Backend, Idempotency};

use super::entry::RecordEntry;
use super::select::Selected;
use crate::arguments::Selection;
use crate::failure::Failure;
use crate::output::{Output, hint};

pub(super) async fn run<DB: Backend>(
    idem: &Idempotency<DB>,
    selection: &Selection,
    state: Option<&str>,
    limit: Option<u64>,
    output: Output,
) -> Result<(), Failure> {
    let limit = output.limit(limit);
    let (mut shown, mut has_more) = (0, false);
    let mut list = output.list::<RecordEntry>();
    let selected = Selected::try_from(selection)?;
    selected
        .each(idem, |view| {
            if state.is_some_and(|state| view.state.as_str() != state) {
                return Ok(true);
            }
            has_more = shown == limit;
            if !has_more {
                list.push(&view.into())?;
                shown += 1;
            }
            Ok(!has_more)
        })
        .await?;
    list.finish()?;
    if has_more {
        hint(&format!("there are more than these {limit}: raise --limit"));
    }
    Ok(())
}
