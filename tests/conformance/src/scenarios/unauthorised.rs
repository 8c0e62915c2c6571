//! A caller without credentials who knows a key.

use http::StatusCode;

use super::Scenario;
use crate::operation::Case;
use crate::requirement::{Requirement, Source};
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[&UNAUTHORISED_GET_NO_REPLAY, &CHALLENGE],
    run: |trial| Box::pin(run(trial)),
};

const UNAUTHORISED_GET_NO_REPLAY: Requirement = Requirement::idem(
    "SECURITY_MODEL",
    "unauthorised-get-no-replay",
    "The key alone, without credentials, gets 401 or 403 and nothing of the stored response.",
);
const CHALLENGE: Requirement = Requirement::must(
    Source::Rfc9110("11.6.1"),
    "unauthorised-get-a-challenge",
    "A 401 has `WWW-Authenticate`.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let credential = trial.operation.credential()?;
    let case = Case::new();
    let request = trial.operation.request(&case);
    let first = trial.succeed(&request).await?;
    let answer = trial.send(&request.without(&credential)).await?;
    let is_refused = matches!(answer.status.as_u16(), 401 | 403);
    let refused = Verdict::of(is_refused && !answer.is_replay(), || {
        format!("{}, a replay: {}", answer.status, answer.is_replay())
    });
    let refused = refused.and(answer.has_another_body_than(&first));
    trial.judge(&UNAUTHORISED_GET_NO_REPLAY, refused);
    let challenge = match answer.status {
        StatusCode::UNAUTHORIZED => {
            let has = answer.headers.contains_key("www-authenticate");
            Verdict::of(has, || "401 without WWW-Authenticate".to_owned())
        }
        status => Verdict::NotApplicable(format!("{status}")),
    };
    trial.judge(&CHALLENGE, challenge);
    Ok(())
}
