//! Twenty requests of one key at once.

use futures_util::future::join_all;

use super::Scenario;
use crate::answer::Answer;
use crate::operation::Case;
use crate::requirement::Requirement;
use crate::trial::{Trial, must_wait};
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[&TWENTY_HAVE_ONE_EFFECT, &TWENTY_GET_ONE_RESULT],
    run: |trial| Box::pin(run(trial)),
};

const TWENTY_HAVE_ONE_EFFECT: Requirement = Requirement::idem(
    "GUARANTEES",
    "twenty-at-once-have-one-effect",
    "Twenty requests of one key at once have one effect.",
);
const TWENTY_GET_ONE_RESULT: Requirement = Requirement::idem(
    "GUARANTEES",
    "twenty-at-once-get-one-result",
    "Each of twenty requests at once gets the one result, or is told to come back; at most one is not a replay.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let case = Case::new();
    let request = trial.operation.request(&case);
    let answers = join_all((0..AT_ONCE).map(|_| trial.send(&request))).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, _>>()?;
    let last = trial.send_until_final(&request).await?;
    trial.judge(&TWENTY_HAVE_ONE_EFFECT, trial.has_effects(&case, 1).await?);
    let is_right = |answer: &&Answer| match answer.is_success() {
        true => answer.body == last.body && answer.status == last.status,
        false => must_wait(answer),
    };
    let wrong = answers.iter().find(|answer| !is_right(answer));
    let ran = answers
        .iter()
        .filter(|answer| answer.is_success() && !answer.is_replay())
        .count();
    let verdict = last
        .has_success()
        .and(Verdict::of(wrong.is_none() && ran <= 1, || {
            let wrong = wrong.map_or("none".to_owned(), |answer| answer.status.to_string());
            format!("{ran} successes that are no replays; another result: {wrong}")
        }));
    trial.judge(&TWENTY_GET_ONE_RESULT, verdict.and(last.has_a_body()));
    Ok(())
}

const AT_ONCE: usize = 20;
