//! Errors that are not stored.

use http::StatusCode;

use super::Scenario;
use crate::operation::Case;
use crate::request::Request;
use crate::requirement::Requirement;
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[&REFUSAL_FREES_THE_KEY, &FAILURE_FREES_THE_KEY],
    run: |trial| Box::pin(run(trial)),
};

const REFUSAL_FREES_THE_KEY: Requirement = Requirement::idem(
    "GUARANTEES",
    "refusal-frees-the-key",
    "A request that is refused with 4xx is not stored: the corrected request with the same key runs.",
);
const FAILURE_FREES_THE_KEY: Requirement = Requirement::idem(
    "GUARANTEES",
    "failure-frees-the-key",
    "A 5xx is never replayed and leaves no effect: the next request with the same key runs.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let case = Case::new();
    let invalid = trial.operation.invalid(&case);
    let is_client_error = |status: StatusCode| status.is_client_error();
    let verdict = frees(trial, &case, invalid, is_client_error).await;
    trial.judge(&REFUSAL_FREES_THE_KEY, verdict);
    let case = Case::new();
    let failing = trial.operation.failing(&case);
    let is_server_error = |status: StatusCode| status.is_server_error();
    let verdict = frees(trial, &case, failing, is_server_error).await;
    trial.judge(&FAILURE_FREES_THE_KEY, verdict);
    Ok(())
}

async fn frees(
    trial: &Trial,
    case: &Case,
    failing: Result<Request, Stop>,
    is_expected: fn(StatusCode) -> bool,
) -> Verdict {
    let steps = async {
        let failing = failing?;
        for _ in 0..2 {
            let failed = trial.send(&failing).await?;
            if !is_expected(failed.status) || failed.is_replay() {
                let (status, is_replay) = (failed.status, failed.is_replay());
                return Err(Stop::Failed(format!("{status}, a replay: {is_replay}")));
            }
        }
        let left = trial.has_effects(case, 0).await?;
        let answer = trial.send(&trial.operation.request(case)).await?;
        let runs = Verdict::of(answer.is_success() && !answer.is_replay(), || {
            format!("the corrected request got {}", answer.status)
        });
        Ok(left.and(runs).and(trial.has_effects(case, 1).await?))
    };
    steps.await.unwrap_or_else(Verdict::from)
}
