//! A key that is used again for another payload.

use http::StatusCode;

use super::Scenario;
use crate::operation::Case;
use crate::problem;
use crate::requirement::{Level, Requirement};
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[
        &REUSE_IS_NOTICED,
        &REUSE_IS_NOT_PROCESSED,
        &REUSE_GETS_422,
        &REUSE_IS_DOCUMENTED,
        &REUSE_PROBLEM,
        &REUSE_SPARES_THE_FIRST,
        &QUERY_IS_COMPARED,
    ],
    run: |trial| Box::pin(run(trial)),
};

const REUSE_IS_NOTICED: Requirement = Requirement::draft(
    "2.4",
    Level::May,
    "payloads-are-compared",
    "A fingerprint of the payload, or the like, tells another payload from a retry.",
);
const REUSE_IS_NOT_PROCESSED: Requirement = Requirement::draft(
    "2.2",
    Level::Must,
    "reused-key-is-not-processed",
    "A key is not reused with another payload: such a request does not succeed and has no effect, however often sent.",
);
const REUSE_GETS_422: Requirement = Requirement::draft(
    "2.7",
    Level::Should,
    "reused-key-gets-422",
    "A key with another payload gets 422.",
);
const REUSE_IS_DOCUMENTED: Requirement = Requirement::draft(
    "2.7",
    Level::Should,
    "reused-key-is-documented",
    "The 422 of a reused key links to documentation, in its body or as `Link`.",
);
const REUSE_PROBLEM: Requirement = Requirement::idem(
    "PROBLEMS",
    "reused-key-problem",
    "The 422 of a reused key comes however often the request is repeated, and is a problem document with `retryable: false`.",
);
const REUSE_SPARES_THE_FIRST: Requirement = Requirement::idem(
    "PROBLEMS",
    "reuse-spares-the-first",
    "After a refused reuse the first request is replayed as before.",
);
const QUERY_IS_COMPARED: Requirement = Requirement::idem(
    "PROBLEMS",
    "query-and-type-are-compared",
    "The same payload with another query or another content type is another request: 422.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let case = Case::new();
    let other = trial.operation.other(&case)?;
    let request = trial.operation.request(&case);
    let first = trial.succeed(&request).await?;
    let reused = trial.send(&other).await?;
    let again = trial.send(&other).await?;
    let refused = Verdict::of(!reused.is_success() && !again.is_success(), || {
        format!(
            "{}, then {} for another payload",
            reused.status, again.status
        )
    });
    let refused = refused.and(trial.has_effects(&case, 1).await?);
    trial.judge(&REUSE_IS_NOT_PROCESSED, refused);
    let gets_422 = reused.has_status(StatusCode::UNPROCESSABLE_ENTITY);
    trial.judge(&REUSE_GETS_422, gets_422);
    let links = problem::links_to_documentation(&reused);
    trial.judge(&REUSE_IS_DOCUMENTED, links);
    let gets_422 = again.has_status(StatusCode::UNPROCESSABLE_ENTITY);
    let is_problem = problem::is_of_idem(&reused, false);
    trial.judge(&REUSE_PROBLEM, gets_422.and(is_problem));
    let replay = trial.send(&request).await?;
    trial.judge(&REUSE_SPARES_THE_FIRST, replay.is_identical_to(&first));
    // Only where a retry gets the first result does another one mean something.
    let is_noticed = match reused.is_success() {
        true => reused.has_another_body_than(&first),
        false => Verdict::Met,
    };
    trial.judge(
        &REUSE_IS_NOTICED,
        is_noticed.and(replay.has_result_of(&first)),
    );

    let mut compared = Verdict::Met;
    for changed in [
        request.with_query("conformance=1"),
        request.with_another_type(),
    ] {
        let answer = trial.send(&changed).await?;
        compared = compared.and(answer.has_status(StatusCode::UNPROCESSABLE_ENTITY));
    }
    trial.judge(&QUERY_IS_COMPARED, compared);
    Ok(())
}
