//! Two tenants with one key.

use super::Scenario;
use crate::operation::Case;
use crate::requirement::Requirement;
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[&TENANTS_ARE_APART],
    run: |trial| Box::pin(run(trial)),
};

const TENANTS_ARE_APART: Requirement = Requirement::idem(
    "SECURITY_MODEL",
    "tenants-are-apart",
    "Another tenant's request with the same key runs, whatever its payload, and gets no replay.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let mut verdict = Verdict::Met;
    for is_changed in [false, true] {
        let case = Case::new();
        let request = trial.operation.request(&case);
        let theirs = match is_changed {
            false => request.clone(),
            true => match trial.operation.other(&case) {
                Ok(other) => other,
                Err(missing) => {
                    verdict = verdict.and(missing.into());
                    continue;
                }
            },
        };
        let theirs = trial.operation.by_other_tenant(theirs)?;
        let first = trial.succeed(&request).await?;
        let answer = trial.send(&theirs).await?;
        let runs = answer.is_success() && !answer.is_replay();
        let runs = Verdict::of(runs, || {
            let is_replay = answer.is_replay();
            format!(
                "the other tenant got {}, a replay: {is_replay}",
                answer.status
            )
        });
        verdict = verdict.and(runs).and(answer.has_another_body_than(&first));
        if let Some(list) = trial.operation.effects_of(&case) {
            let list = trial.operation.by_other_tenant(list)?;
            let count = trial.count(&list).await?;
            verdict = verdict.and(Verdict::of(count == 1, || {
                format!("{count} effects of the other tenant instead of 1")
            }));
        }
    }
    trial.judge(&TENANTS_ARE_APART, verdict);
    Ok(())
}
