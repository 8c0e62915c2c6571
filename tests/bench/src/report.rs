//! The report: what the figures depend on, and a table with a row for each side.

use std::env::consts::{ARCH, OS};
use std::thread;
use std::time::Duration;

use crate::options::Plan;
use crate::sides::{Round, Sides};
use crate::turn::Turn;

/// What the figures depend on.
pub(crate) fn header(plan: &Plan) -> String {
    let cores = thread::available_parallelism().unwrap();
    let build = match cfg!(debug_assertions) {
        true => "a debug build, which measures nothing of use",
        false => "a release build",
    };
    format!(
        "{cores} cores, {OS}, {ARCH}, {build}; {} rounds after one of warm-up, {:?} per side; \
         pools of {} connections; {} stored responses",
        plan.rounds, plan.turn, plan.pool_size, plan.stored
    )
}

/// The medians over the rounds, a line for each side.
pub(crate) fn table(database: &str, sides: &Sides, at_once: usize, rounds: &[Round]) -> String {
    let Sides {
        what,
        references,
        sides,
    } = sides;
    let references = &sides[..*references];
    let mut text = format!("{database}, {what}, {at_once} at once\n");
    text += &format!("{:22}{:>11}", "", "requests/s");
    for (n, reference) in references.iter().enumerate() {
        text += &format!("{:>width$}", format!("/ {}", reference.name), width = 16);
        if n == 0 {
            text += &format!("{:>14}", "quartiles");
        }
    }
    text += &format!("{:>9}{:>9}", "p50 ms", "p99 ms");
    for (n, side) in sides.iter().enumerate() {
        let median_of = |of: fn(&Turn) -> f64| {
            let figures = rounds.iter().map(|round| of(&round[n]));
            median(&sorted(figures))
        };
        text += &format!(
            "\n  {:20}{:>11.0}",
            side.name,
            median_of(|turn| turn.per_second)
        );
        for reference in 0..references.len() {
            let ratios = rounds
                .iter()
                .map(|round| round[n].per_second / round[reference].per_second);
            let ratios = sorted(ratios);
            text += &format!("{:>16.2}", median(&ratios));
            if reference == 0 {
                let quarter = ratios.len() / 4;
                let (low, high) = (ratios[quarter], ratios[ratios.len() - 1 - quarter]);
                text += &format!("{:>14}", format!("{low:.2}-{high:.2}"));
            }
        }
        text += &format!(
            "{:>9.2}{:>9.2}",
            median_of(|turn| milliseconds(turn.p50)),
            median_of(|turn| milliseconds(turn.p99))
        );
    }
    text
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

fn sorted(figures: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut figures: Vec<_> = figures.collect();
    figures.sort_unstable_by(f64::total_cmp);
    figures
}

fn median(sorted: &[f64]) -> f64 {
    f64::midpoint(sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2])
}
