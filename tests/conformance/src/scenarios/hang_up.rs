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
    let case = Case::new();
    let request = trial.operation.slow(&case)?;
    // Where the duplicate is refused, the request on which the suite hangs up is running.
    trial.send_first_of(&request, &request).await?;
    let retry = trial.send_until_final(&request).await?;
    let again = trial.send(&request).await?;
    let succeeds = retry.has_success().and(again.has_result_of(&retry));
    trial.judge(&HANG_UP, succeeds.and(trial.has_effects(&case, 1).await?));
    Ok(())
}
