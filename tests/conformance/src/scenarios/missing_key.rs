//! A request without a key, and the form of a problem.

use http::StatusCode;

use super::Scenario;
use crate::operation::Case;
use crate::problem;
use crate::requirement::{Level, Requirement, Source};
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[
        &MISSING_KEY_GETS_400,
        &MISSING_KEY_IS_DOCUMENTED,
        &UNCORRECTED_FAILS_AGAIN,
        &PROBLEM_MEMBERS,
        &MISSING_KEY_RUNS_NOTHING,
        &MISSING_KEY_PROBLEM,
    ],
    run: |trial| Box::pin(run(trial)),
};

const MISSING_KEY_GETS_400: Requirement = Requirement::draft(
    "2.7",
    Level::Should,
    "missing-key-gets-400",
    "A request without the key that the operation requires gets 400.",
);
const MISSING_KEY_IS_DOCUMENTED: Requirement = Requirement::draft(
    "2.7",
    Level::Should,
    "missing-key-is-documented",
    "The 400 of a missing key links to documentation, in its body or as `Link`.",
);
const UNCORRECTED_FAILS_AGAIN: Requirement = Requirement::draft(
    "2.7",
    Level::Must,
    "uncorrected-request-fails-again",
    "A request that was refused for its key is refused again until it is corrected.",
);
const PROBLEM_MEMBERS: Requirement = Requirement::must(
    Source::Rfc9457("3.1"),
    "problem-members-are-valid",
    "A problem document's `status` is that of its response, and its texts are strings.",
);
const MISSING_KEY_RUNS_NOTHING: Requirement = Requirement::idem(
    "PROBLEMS",
    "missing-key-runs-nothing",
    "A request without the required key has no effect.",
);
const MISSING_KEY_PROBLEM: Requirement = Requirement::idem(
    "PROBLEMS",
    "missing-key-problem",
    "The 400 of a missing key is a problem document with `retryable: false`, and its `type` is the target of `Link: <…>; \
     rel=\"describedby\"`.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    if trial.operation.key_is_optional {
        return Err(Stop::NotApplicable("--key-optional".to_owned()));
    }
    let case = Case::new();
    let request = trial.operation.with_lines(&case, &[])?;
    let answer = trial.send(&request).await?;
    trial.judge(
        &MISSING_KEY_GETS_400,
        answer.has_status(StatusCode::BAD_REQUEST),
    );
    let links = problem::links_to_documentation(&answer);
    trial.judge(&MISSING_KEY_IS_DOCUMENTED, links);
    trial.judge(&PROBLEM_MEMBERS, problem::has_valid_members(&answer));
    trial.judge(&MISSING_KEY_PROBLEM, problem::is_of_idem(&answer, false));
    let again = trial.send(&request).await?;
    let refused = Verdict::of(again.status.is_client_error(), || {
        format!("{} without a key, for the second time", again.status)
    });
    trial.judge(&UNCORRECTED_FAILS_AGAIN, refused);
    trial.judge(
        &MISSING_KEY_RUNS_NOTHING,
        trial.has_effects(&case, 0).await?,
    );
    Ok(())
}
