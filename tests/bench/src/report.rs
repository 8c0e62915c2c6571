//! The report: what the figures depend on, and a row for each number of concurrent requests.

use std::env::consts::{ARCH, OS};
use std::thread;
use std::time::Duration;

use crate::Plan;
use crate::load::{Round, Turn};

/// What the figures depend on.
pub(crate) fn header(plan: &Plan) -> String {
    let cores = thread::available_parallelism().unwrap();
    let build = match cfg!(debug_assertions) {
        true => "a debug build, which measures nothing of use",
        false => "a release build",
    };
    format!(
        "{cores} cores, {OS}, {ARCH}, {build}; {} rounds after one of warm-up, {:?} per side; \
         pools of {} connections; {} stored answers",
        plan.rounds, plan.turn, plan.pool_size, plan.stored_answers
    )
}

/// The title, and the lines above the rows.
pub(crate) fn columns(database: &str, what: &str) -> String {
    let side = format!("{:>11} {:>8} {:>8}", "requests/s", "p50 ms", "p99 ms");
    let ratio = format!(
        "{:>13} {:>10} {:>6} {:>6}",
        "requests/s", "quartiles", "p50", "p99"
    );
    format!(
        "{database}, {what}\n{:>38}{:>29}{:>39}\n{:>9}{side}{side}{ratio}",
        "Idem", "bare", "Idem / bare", "at once"
    )
}

/// The medians over the rounds.
pub(crate) fn row(at_once: usize, rounds: &[Round]) -> String {
    let ratios = |of: fn(&Turn) -> f64| {
        let ratios = rounds.iter().map(|round| of(&round.idem) / of(&round.bare));
        sorted(ratios.collect())
    };
    let per_second = ratios(|turn| turn.per_second);
    let p50 = ratios(|turn| turn.p50.as_secs_f64());
    let p99 = ratios(|turn| turn.p99.as_secs_f64());
    let quarter = per_second.len() / 4;
    let (low, high) = (
        per_second[quarter],
        per_second[per_second.len() - 1 - quarter],
    );
    let idem = rounds.iter().map(|round| round.idem).collect::<Vec<_>>();
    let bare = rounds.iter().map(|round| round.bare).collect::<Vec<_>>();
    format!(
        "{at_once:>9}{}{}{:>13.2} {:>10} {:>6.2} {:>6.2}",
        figures(&idem),
        figures(&bare),
        median(&per_second),
        format!("{low:.2}-{high:.2}"),
        median(&p50),
        median(&p99),
    )
}

/// The row of an endpoint that has no counterpart.
pub(crate) fn no_database(at_once: usize, turn: Turn) -> String {
    format!("{at_once:>9}{}   no database", figures(&[turn]))
}

fn figures(turns: &[Turn]) -> String {
    let median_of = |of: fn(&Turn) -> f64| median(&sorted(turns.iter().map(of).collect()));
    format!(
        "{:>11.0} {:>8.2} {:>8.2}",
        median_of(|turn| turn.per_second),
        median_of(|turn| milliseconds(turn.p50)),
        median_of(|turn| milliseconds(turn.p99)),
    )
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn sorted(mut figures: Vec<f64>) -> Vec<f64> {
    figures.sort_unstable_by(f64::total_cmp);
    figures
}

fn median(sorted: &[f64]) -> f64 {
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}
