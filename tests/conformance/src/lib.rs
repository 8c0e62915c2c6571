//! A black-box suite: does a server keep the `Idempotency-Key` draft, and what Idem promises beyond it?
//!
//! It is given a base URL and one operation of the server ([`Options`]). It sends requests, and [`check`] returns for each
//! requirement whether it is met, with what was sent and seen. `docs/CONFORMANCE.md` says how to use the program.

#![allow(
    clippy::exhaustive_enums,
    reason = "the program and its tests are the only users; nothing is published"
)]

mod answer;
mod client;
mod exchange;
mod link;
mod operation;
mod options;
mod problem;
mod report;
mod request;
mod requirement;
mod scenarios;
mod text;
mod trial;
mod verdict;

pub use exchange::{Exchange, Seen, Sent};
pub use options::{HeaderLine, Only, Options};
pub use report::{Finding, Report};
pub use requirement::{Level, Requirement, Source};
pub use verdict::Verdict;

use client::Client;
use operation::Operation;
use scenarios::SCENARIOS;
use trial::Trial;

/// Sends requests to the server, and judges each selected requirement.
///
/// The scenarios run one after the other, each with keys of its own. What they create stays on the server.
///
/// # Errors
///
/// A text for the user when the options cannot be used, or when the server cannot be reached at all.
///
/// # Cancellation
///
/// Requests that are running end when the future is dropped; the server may still process them.
pub async fn check(options: &Options) -> Result<Report, String> {
    let operation = Operation::try_from(options)?;
    let client = Client::new(&options.base_url, options.timeout())?;
    let trial = Trial::new(operation, client);
    trial.reach().await?;
    let mut report = Report::new(&options.base_url);
    for scenario in SCENARIOS {
        let is_selected = |requirement: &&Requirement| options.selects(requirement);
        if scenario
            .requirements
            .iter()
            .copied()
            .any(|one| is_selected(&one))
        {
            let findings = trial.run(scenario).await;
            let selected = findings
                .into_iter()
                .filter(|one| is_selected(&one.requirement));
            report.findings.extend(selected);
        }
    }
    report.sort();
    Ok(report)
}

/// All requirements, in the order of their sources.
pub fn requirements() -> Vec<&'static Requirement> {
    let all = SCENARIOS.iter().flat_map(|scenario| scenario.requirements);
    let mut all: Vec<_> = all.copied().collect();
    all.sort_by_key(|requirement| requirement.order());
    all
}
