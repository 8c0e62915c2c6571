//! A refusal that is a result, such as a declined card.

use super::Scenario;
use crate::operation::Case;
use crate::requirement::{Level, Requirement};
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[&RETRY_GETS_THE_ERROR, &STORED_REFUSAL],
    run: |trial| Box::pin(run(trial)),
};

const RETRY_GETS_THE_ERROR: Requirement = Requirement::draft(
    "2.6",
    Level::Should,
    "retry-gets-the-error",
    "A retry of an operation that completed with an error gets that error.",
);
const STORED_REFUSAL: Requirement = Requirement::idem(
    "GUARANTEES",
    "stored-refusal-is-replayed",
    "An `Err` whose status is stored is replayed, marked and byte for byte, and has no effect.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let case = Case::new();
    let request = trial.operation.declined(&case)?;
    let first = trial.send(&request).await?;
    let retry = trial.send(&request).await?;
    let is_refused = Verdict::of(!first.is_success(), || {
        format!("--declined-body got {}", first.status)
    });
    let has_result = is_refused.clone().and(retry.has_result_of(&first));
    trial.judge(&RETRY_GETS_THE_ERROR, has_result);
    let is_marked = Verdict::of(!first.is_replay() && retry.is_replay(), || {
        "the retry is not marked, or the first response is".to_owned()
    });
    let is_stored = is_refused.and(retry.is_identical_to(&first)).and(is_marked);
    trial.judge(
        &STORED_REFUSAL,
        is_stored.and(trial.has_effects(&case, 0).await?),
    );
    Ok(())
}
