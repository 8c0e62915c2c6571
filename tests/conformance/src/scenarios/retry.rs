//! A request, its retry, and a request with another key.

use http::{HeaderName, HeaderValue};

use super::Scenario;
use crate::answer::{Answer, REPLAYED};
use crate::operation::Case;
use crate::requirement::{Level, Requirement, Source};
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[
        &FIRST_IS_PROCESSED,
        &RETRY_GETS_THE_RESULT,
        &KEY_IS_IDENTIFIED,
        &ONE_EFFECT,
        &REPLAY_IS_IDENTICAL,
        &REPLAY_IS_MARKED,
        &REPLAY_SETS_NO_COOKIE,
        &MARK_OF_THE_CLIENT_IS_IGNORED,
        &ONE_DATE,
    ],
    run: |trial| Box::pin(run(trial)),
};

const FIRST_IS_PROCESSED: Requirement = Requirement::draft(
    "2.6",
    Level::Should,
    "first-request-is-processed",
    "A request with a new key is processed normally.",
);
const RETRY_GETS_THE_RESULT: Requirement = Requirement::draft(
    "2.6",
    Level::Should,
    "retry-gets-the-result",
    "A retry after completion gets the result of the completed operation.",
);
const KEY_IS_IDENTIFIED: Requirement = Requirement::draft(
    "2.5",
    Level::Should,
    "key-is-identified",
    "The key comes from the header: the same payload with another key is another request.",
);
const ONE_EFFECT: Requirement = Requirement::idem(
    "GUARANTEES",
    "retry-has-no-effect",
    "However often a completed request is retried, it has one effect.",
);
const REPLAY_IS_IDENTICAL: Requirement = Requirement::idem(
    "GUARANTEES",
    "replay-is-identical",
    "A replay has the first response's status, body bytes and representation headers.",
);
const REPLAY_IS_MARKED: Requirement = Requirement::idem(
    "README",
    "replay-is-marked",
    "A replay has `Idempotent-Replayed: true`, and the first response has not.",
);
const REPLAY_SETS_NO_COOKIE: Requirement = Requirement::idem(
    "GUARANTEES",
    "replay-sets-no-cookie",
    "A replay has no `Set-Cookie` and no `WWW-Authenticate`: they were for the first caller.",
);
const MARK_OF_THE_CLIENT_IS_IGNORED: Requirement = Requirement::idem(
    "SECURITY_MODEL",
    "mark-of-the-client-is-ignored",
    "A request that itself has `Idempotent-Replayed: true` runs all the same.",
);
const ONE_DATE: Requirement = Requirement::must(
    Source::Rfc9110("6.6.1"),
    "replay-has-one-date",
    "Each response has one `Date`, a replay too.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let case = Case::new();
    let request = trial.operation.request(&case);
    let first = trial.send(&request).await?;
    trial.judge(&FIRST_IS_PROCESSED, first.has_success());
    if !first.is_success() {
        return Err(Stop::Failed(format!(
            "the first request got {}",
            first.status
        )));
    }
    let retry = trial.send(&request).await?;
    let again = trial.send(&request).await?;
    let has_result = retry.has_result_of(&first).and(again.has_result_of(&first));
    trial.judge(&RETRY_GETS_THE_RESULT, has_result);
    let is_identical = retry
        .is_identical_to(&first)
        .and(again.is_identical_to(&first));
    trial.judge(&REPLAY_IS_IDENTICAL, is_identical);
    let marks = [&first, &retry, &again].map(|answer| answer.is_replay());
    trial.judge(
        &REPLAY_IS_MARKED,
        Verdict::of(marks == [false, true, true], || {
            let marks = marks.map(|is_marked| if is_marked { "yes" } else { "no" });
            format!("the mark is on three responses: {}", marks.join(", "))
        }),
    );
    let is_for_the_first = |name: &&str| retry.headers.contains_key(*name);
    let found = ["set-cookie", "www-authenticate"]
        .into_iter()
        .find(is_for_the_first);
    trial.judge(
        &REPLAY_SETS_NO_COOKIE,
        Verdict::of(found.is_none(), || {
            format!("the retry has {}", found.unwrap_or_default())
        }),
    );
    let dates = [&first, &retry].map(|answer| answer.headers.get_all("date").iter().count());
    trial.judge(
        &ONE_DATE,
        Verdict::of(dates == [1, 1], || {
            let [first, retry] = dates;
            format!("{first} `Date` in the first response, {retry} in its retry")
        }),
    );
    trial.judge(&ONE_EFFECT, trial.has_effects(&case, 1).await?);
    other_keys(trial, &case).await
}

/// The same payload, unique text included, with keys of their own.
async fn other_keys(trial: &Trial, case: &Case) -> Result<(), Stop> {
    let another = case.with_another_key();
    let answer = trial.send(&trial.operation.request(&another)).await?;
    let effects = trial.has_effects(case, 2).await?;
    trial.judge(&KEY_IS_IDENTIFIED, runs(&answer).and(effects));

    let another = case.with_another_key();
    let name = HeaderName::from_static(REPLAYED);
    let mark = HeaderValue::from_static("true");
    let marked = trial.operation.request(&another).header(&name, &mark);
    let answer = trial.send(&marked).await?;
    let effects = trial.has_effects(case, 3).await?;
    let ignored = runs(&answer).and(effects);
    trial.judge(&MARK_OF_THE_CLIENT_IS_IGNORED, ignored);
    Ok(())
}

fn runs(answer: &Answer) -> Verdict {
    Verdict::of(answer.is_success() && !answer.is_replay(), || {
        format!("{}, a replay: {}", answer.status, answer.is_replay())
    })
}
