//! The forms of a key that are accepted.

use super::Scenario;
use crate::operation::Case;
use crate::requirement::{Level, Requirement};
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[
        &STRING_IS_ACCEPTED,
        &BARE_KEY_IS_THE_SAME,
        &PARAMETERS_ARE_IGNORED,
        &ESCAPES_ARE_READ,
        &LONGEST_KEY,
    ],
    run: |trial| Box::pin(run(trial)),
};

const STRING_IS_ACCEPTED: Requirement = Requirement::draft(
    "2.1",
    Level::Must,
    "string-is-accepted",
    "A key that is a Structured Field String, `\"…\"`, is accepted.",
);
const BARE_KEY_IS_THE_SAME: Requirement = Requirement::idem(
    "IdempotencyKey",
    "bare-key-is-the-same",
    "`abc` and `\"abc\"` are the same key.",
);
const PARAMETERS_ARE_IGNORED: Requirement = Requirement::idem(
    "IdempotencyKey",
    "parameters-are-ignored",
    "Parameters after the String, `\"abc\";v=1`, change nothing.",
);
const ESCAPES_ARE_READ: Requirement = Requirement::idem(
    "IdempotencyKey",
    "escapes-are-read",
    "`\\\"` and `\\\\` in the String are read as one character.",
);
const LONGEST_KEY: Requirement = Requirement::idem(
    "IdempotencyKey",
    "longest-key-is-accepted",
    "A key of 255 characters is accepted, and its last character counts.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let case = Case::new();
    let key = &case.key;
    let request = trial
        .operation
        .with_lines(&case, &[&format!("\"{key}\"")])?;
    let first = trial.send(&request).await?;
    trial.judge(&STRING_IS_ACCEPTED, first.has_success());
    for (requirement, line) in [
        (&BARE_KEY_IS_THE_SAME, key.clone()),
        (&PARAMETERS_ARE_IGNORED, format!("\"{key}\";v=1")),
    ] {
        let request = trial.operation.with_lines(&case, &[&line])?;
        let answer = trial.send(&request).await?;
        let is_same = first.has_success().and(answer.has_result_of(&first));
        let is_same = is_same.and(trial.has_effects(&case, 1).await?);
        trial.judge(requirement, is_same);
    }
    trial.judge(&ESCAPES_ARE_READ, escapes(trial).await?);
    trial.judge(&LONGEST_KEY, longest(trial).await?);
    Ok(())
}

/// `"a\"b"` and `"a\\b"` are two keys, each accepted.
async fn escapes(trial: &Trial) -> Result<Verdict, Stop> {
    let case = Case::new();
    let mut verdict = Verdict::Met;
    for (count, escaped) in [(1, "\\\""), (2, "\\\\")] {
        let line = format!("\"{}{escaped}\"", case.key);
        let request = trial.operation.with_lines(&case, &[&line])?;
        let answer = trial.send(&request).await?;
        verdict = verdict.and(answer.has_success());
        verdict = verdict.and(trial.has_effects(&case, count).await?);
    }
    Ok(verdict)
}

/// Two keys of 255 characters that differ in the last one.
async fn longest(trial: &Trial) -> Result<Verdict, Stop> {
    let case = Case::new();
    let mut verdict = Verdict::Met;
    for (count, end) in [(1, 'a'), (2, 'b')] {
        let line = format!("\"{}{end}\"", case.key_of_length(254));
        let request = trial.operation.with_lines(&case, &[&line])?;
        let answer = trial.send(&request).await?;
        verdict = verdict.and(answer.has_success());
        verdict = verdict.and(trial.has_effects(&case, count).await?);
    }
    Ok(verdict)
}
