//! A client that hangs up in the middle, and comes back.

use super::Scenario;
use crate::operation::Case;
use crate::requirement::Requirement;
use crate::trial::Trial;
use crate::verdict::Stop;

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[&HANG_UP],
    run: |trial| Box::pin(run(trial)),
};

const HANG_UP: Requirement = Requirement::idem(
    "GUARANTEES",
    "hang-up-has-one-effect",
    "A client that hangs up while its request runs, and then retries, gets a success and one effect.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    for _ in 0..TRIES {
        let case = Case::new();
        let request = trial.operation.slow(&case)?;
        if trial.hang_up_on_running(&request).await? {
            let retry = trial.send_until_final(&request).await?;
            let again = trial.send(&request).await?;
            let succeeds = retry.has_success().and(again.has_result_of(&retry));
            let has_one = trial.has_effects(&case, 1).await?;
            trial.judge(&HANG_UP, succeeds.and(has_one));
            return Ok(());
        }
    }
    // Whoever hangs up without knowing that may hang up on a request that never came, or is over.
    let unknown = "no answer said that the other of two requests at once was running";
    Err(Stop::NotApplicable(unknown.to_owned()))
}

/// On a busy machine the second request may come when the first is over.
const TRIES: usize = 3;
