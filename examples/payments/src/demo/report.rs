//! The table that the demo ends with, and its verdict.

use std::io::{self, Write};

use super::order::Orders;
use super::tally::Tally;
use super::truth::Truth;

/// Prints what happened, and says whether all is as promised.
pub(super) fn print(tally: &Tally, orders: &Orders, truth: &Truth) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    for (name, count) in counts(tally) {
        writeln!(out, "{name:<34}{count:>7}")?;
    }
    writeln!(out, "{:<34}{:>7}", "keys", orders.len())?;
    writeln!(
        out,
        "{:<34}{:>7}\n",
        "payments in the database", truth.payments
    )?;
    let mut is_as_promised = true;
    let unsettled = orders.keys().filter(|key| !tally.settled.contains(*key));
    let unsettled: Vec<_> = unsettled.map(str::to_owned).collect();
    for (name, keys) in verdict(tally, truth, &unsettled) {
        writeln!(out, "{name}: {}", keys.len())?;
        list(&mut out, keys)?;
        is_as_promised &= keys.is_empty();
    }
    let verdict = match is_as_promised {
        true => "Each payment was made once and booked once.",
        false => "This is not what clients were promised.",
    };
    writeln!(out, "\n{verdict}")?;
    Ok(is_as_promised)
}

fn counts(tally: &Tally) -> [(&'static str, u64); 11] {
    [
        ("requests sent", tally.sent),
        ("  paid", tally.paid),
        ("  replayed", tally.replayed),
        ("  refused, 409: it still runs", tally.in_flight),
        ("  refused, 422: another amount", tally.reused),
        ("  refused, 503: try again", tally.unavailable),
        ("  refused otherwise", tally.other),
        ("  hung up", tally.hung_up),
        ("  lost by kill -9", tally.lost),
        ("  sent while the API was away", tally.unreached),
        ("kill -9 of API and worker", tally.kills),
    ]
}

/// What must not be, and the keys of which it is so.
fn verdict<'t>(
    tally: &'t Tally,
    truth: &'t Truth,
    unsettled: &'t [String],
) -> [(&'static str, &'t [String]); 6] {
    [
        ("paid twice", &truth.paid_twice),
        ("not paid", &truth.not_paid),
        ("booked twice", &truth.booked_twice),
        ("not booked", &truth.not_booked),
        ("answered wrongly", &tally.broken_promises),
        ("without a final answer", unsettled),
    ]
}

fn list(out: &mut impl Write, keys: &[String]) -> io::Result<()> {
    for key in keys.iter().take(SHOWN) {
        writeln!(out, "  {key}")?;
    }
    match keys.len().saturating_sub(SHOWN) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

/// How many keys are listed.
const SHOWN: usize = 100;
