//! The overview: how many records there are, which rules hold, how many messages failed too often.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use idem_axum::{DeadLetterCount, RecordCount};
use maud::{Markup, html};

use crate::app::AppState;
use crate::operate::failure::Failure;
use crate::operate::input::InQuery;
use crate::operate::operator::Operator;
use crate::operate::said::LastChange;
use crate::operate::text::{address, utc, visible};
use crate::operate::{frame, rollout};

pub(super) async fn show(
    _: Operator,
    State(app): State<AppState>,
    InQuery(change): InQuery<LastChange>,
) -> Result<Response, Failure> {
    let counts = app.idem.count_records().await?;
    let letters = app.inbox.count_dead_letters().await?;
    let rules = rollout::section(&app, &counts).await?;
    let content = html! {
        section aria-labelledby="records" {
            h2 #records { "Records" }
            (records(&counts))
        }
        section aria-labelledby="rollout" {
            h2 #rollout { "Rollout" }
            (rules)
        }
        section aria-labelledby="dead-letters" {
            h2 #dead-letters { "Dead letters" }
            (dead_letters(&letters))
        }
    };
    Ok(frame::page("Overview", "/operate", change.said(), &content))
}

/// The records of one operation and state: stored within an hour, within a day, longer ago.
type Row = [u64; 3];

fn records(counts: &[RecordCount]) -> Markup {
    let mut rows: BTreeMap<(&str, &str), Row> = BTreeMap::new();
    for count in counts {
        let row = rows
            .entry((&count.operation, count.state.as_str()))
            .or_default();
        let [hour, day, longer] = row;
        let age = match count.within.map(|within| within.as_secs()) {
            Some(3_600) => hour,
            Some(_) => day,
            None => longer,
        };
        *age += count.records;
    }
    html! {
        p.faint { "Counted just now: for that the database has read all records, each time that this page is loaded." }
        @if rows.is_empty() {
            p { "There is no record yet: one is stored for each request that has had an effect." }
        } @else {
            table.table.fold {
                caption { "Records by operation, state and age" }
                thead {
                    tr {
                        th scope="col" { "Operation" }
                        th scope="col" { "State" }
                        th.number scope="col" { "Last hour" }
                        th.number scope="col" { "Last day, before" }
                        th.number scope="col" { "Longer ago" }
                    }
                }
                tbody {
                    @for ((operation, state), row) in &rows { (count(operation, state, row)) }
                }
            }
        }
        p { a href="/operate/records" { "All records" } }
    }
}

fn count(operation: &str, state: &str, [hour, day, longer]: &Row) -> Markup {
    let list = address(
        "/operate/records",
        &[("operation", operation), ("state", state)],
    );
    html! {
        tr {
            th scope="row" { a href=(list) { (visible(operation)) span.hidden { ", " (state) } } }
            td data-label="State" { (state) }
            td.number data-label="Last hour" { (hour) }
            td.number data-label="Last day, before" { (day) }
            td.number data-label="Longer ago" { (longer) }
        }
    }
}

fn dead_letters(counts: &[DeadLetterCount]) -> Markup {
    let all: u64 = counts.iter().map(|count| count.letters).sum();
    html! {
        p { "Messages that have failed as often as they may: " strong #dead-letter-count { (all) } }
        @if !counts.is_empty() {
            ul.list {
                @for count in counts {
                    li {
                        a href=(address("/operate/dead-letters", &[("consumer", &count.consumer)])) { (visible(&count.consumer)) }
                        ": " (count.letters) span.faint { ", the oldest of " (utc(count.oldest)) }
                    }
                }
            }
        }
    }
}
