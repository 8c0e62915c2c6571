//! A duplicate that comes while the first request runs.

use std::pin::pin;

use futures_util::future::select;
use http::StatusCode;

use super::Scenario;
use crate::answer::Answer;
use crate::operation::Case;
use crate::problem;
use crate::requirement::{Level, Requirement, Source};
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[
        &DUPLICATE_GETS_A_CONFLICT,
        &CONFLICT_IS_409,
        &CONFLICT_IS_DOCUMENTED,
        &RETRY_AFTER_IS_VALID,
        &CONFLICT_PROBLEM,
        &CONFLICT_ENDS,
        &REUSE_WHILE_RUNNING,
    ],
    run: |trial| Box::pin(run(trial)),
};

const DUPLICATE_GETS_A_CONFLICT: Requirement = Requirement::draft(
    "2.6",
    Level::Should,
    "running-request-conflicts",
    "A retry that comes before the first request has completed gets a conflict error.",
);
const CONFLICT_IS_409: Requirement = Requirement::draft(
    "2.7",
    Level::Should,
    "running-request-gets-409",
    "The conflict error of a running request is 409.",
);
const CONFLICT_IS_DOCUMENTED: Requirement = Requirement::draft(
    "2.7",
    Level::Should,
    "running-request-is-documented",
    "The 409 of a running request links to documentation, in its body or as `Link`.",
);
const RETRY_AFTER_IS_VALID: Requirement = Requirement::must(
    Source::Rfc9110("10.2.3"),
    "retry-after-is-valid",
    "`Retry-After`, where the 409 of a running request has it, is a number of seconds or a date.",
);
const CONFLICT_PROBLEM: Requirement = Requirement::idem(
    "PROBLEMS",
    "running-request-problem",
    "The 409 of a running request is a problem document with `retryable: true`, and `Retry-After` of at least one second.",
);
const CONFLICT_ENDS: Requirement = Requirement::idem(
    "GUARANTEES",
    "conflict-ends-with-the-request",
    "Once the first request is answered, its retry gets that response, and there is one effect.",
);
const REUSE_WHILE_RUNNING: Requirement = Requirement::idem(
    "PROBLEMS",
    "reuse-while-running-gets-422",
    "Another payload under the key of a running request gets 422, not 409.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let mut met = meet(trial).await?;
    for _ in 1..TRIES {
        if !met.duplicate.says_running() {
            met = meet(trial).await?;
        }
    }
    judge(trial, met).await
}

/// Two requests of one key at once, and what came of a third with another payload.
struct Met {
    case: Case,
    duplicate: Answer,
    first: Answer,
    reuse: Option<Answer>,
}

async fn meet(trial: &Trial) -> Result<Met, Stop> {
    let case = Case::new();
    let request = trial.operation.slow(&case)?;
    // Which of the two comes first is open; the one that is refused shows that the other runs.
    let (one, two) = (pin!(trial.send(&request)), pin!(trial.send(&request)));
    let (duplicate, running) = select(one, two).await.factor_first();
    let duplicate = duplicate?;
    let reuse = match trial.operation.other(&case) {
        Ok(other) if duplicate.says_running() => Some(trial.send(&other).await?),
        _ => None,
    };
    let first = running.await?;
    Ok(Met {
        case,
        duplicate,
        first,
        reuse,
    })
}

async fn judge(trial: &Trial, met: Met) -> Result<(), Stop> {
    let Met {
        case,
        duplicate,
        first,
        reuse,
    } = met;
    let request = trial.operation.slow(&case)?;
    let conflicts = Verdict::of(duplicate.says_running() && first.is_success(), || {
        format!(
            "two requests at once got {} and {}",
            duplicate.status, first.status
        )
    });
    trial.judge(&DUPLICATE_GETS_A_CONFLICT, conflicts);
    judge_form(trial, &duplicate);
    let retry = trial.send(&request).await?;
    let ends = retry.is_identical_to(&first);
    trial.judge(&CONFLICT_ENDS, ends.and(trial.has_effects(&case, 1).await?));
    let reuse = match reuse {
        Some(reuse) => reuse.has_status(StatusCode::UNPROCESSABLE_ENTITY),
        None => {
            Verdict::NotApplicable("no conflict error was seen, or without --other-body".to_owned())
        }
    };
    trial.judge(&REUSE_WHILE_RUNNING, reuse);
    Ok(())
}

/// Where no conflict was seen, it has no form that could be right or wrong.
fn judge_form(trial: &Trial, duplicate: &Answer) {
    let is_409 = match duplicate.says_running() {
        true => duplicate.has_status(StatusCode::CONFLICT),
        false => Verdict::NotApplicable("no conflict error was seen".to_owned()),
    };
    trial.judge(&CONFLICT_IS_409, is_409);
    let links = problem::links_to_documentation(duplicate);
    let after = problem::has_valid_retry_after(duplicate);
    let is_problem = problem::is_of_idem(duplicate, true);
    for (requirement, verdict) in [
        (&CONFLICT_IS_DOCUMENTED, links),
        (&RETRY_AFTER_IS_VALID, after),
        (&CONFLICT_PROBLEM, is_problem),
    ] {
        let verdict = match duplicate.is_conflict() {
            true => verdict,
            false => Verdict::NotApplicable("no 409 was seen".to_owned()),
        };
        trial.judge(requirement, verdict);
    }
}

/// On a busy machine the second request may come when the first is over.
const TRIES: usize = 3;
