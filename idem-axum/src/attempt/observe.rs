//! An attempt in a mode that does not enforce: the handler's own result decides.
//!
//! `Ok` commits whatever its status, `Err` and a panic roll back, and a panic goes on to the
//! caller, all as in a handler with a transaction of its own. Idem adds a forecast, a record behind
//! a savepoint, and the report of both.
//!
//! | | `enforce` | here |
//! | --- | --- | --- |
//! | a claim that is no first | refused or replayed | runs, `would_…` is reported |
//! | 404 with `Ok` | rolled back | commits |
//! | a panic | 500 `handler-panicked` | goes on, as without the attribute |
//! | the client hangs up | runs to its end | dropped and rolled back |
//! | the record cannot be stored | rolled back | commits without it |
//!
//! The only response that Idem makes here is one that a handler without the attribute could not
//! have given either: the database cannot be reached, or its COMMIT has failed. `validate` also
//! refuses a key that was used for another request.

use std::panic::resume_unwind;

use axum::http::StatusCode;
use axum::response::Response;
use idem_core::{
    Attempt, Completion, DetachOnDrop, Effects, Error, Forecast, Policy, RolloutMode, metrics,
};
use scopeguard::ScopeGuard;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::Instrument;

use crate::Rejection;
use crate::attempt::context::{AttemptContext, failure};
use crate::attempt::engine::{AttemptEngine, FinishObserved};
use crate::attempt::supervise::HandlerAbort;
use crate::response::capture;
use crate::response::output::HandlerResponse;
use crate::spec::Verdict;

/// Begins the attempt, whatever its record says. Only the mode `validate` refuses a key that was
/// used for another request.
///
/// # Errors
///
/// That refusal, and the problem of a database that cannot be reached.
pub(crate) async fn begin<E: AttemptEngine>(
    engine: &E,
    attempt: Option<Attempt>,
    policy: Policy,
    context: &AttemptContext,
) -> Result<AbandonOnDrop<E::Observed>, Response> {
    let begun = match attempt {
        Some(attempt) => {
            let started = Instant::now();
            let observed = engine.observe(attempt).await;
            metrics::claim_took(context.operation(), context.mode, started.elapsed());
            observed
        }
        None => engine.begin_passthrough(policy).await,
    };
    let observed = begun.map_err(|error| context.refuse(failure(&error)))?;
    let is_mismatch = matches!(observed.forecast(), Some(Forecast::Mismatch));
    if is_mismatch && context.mode == RolloutMode::Validate {
        drop(observed.end(false, None).await);
        return Err(context.refuse(Rejection::KeyReused));
    }
    Ok(abandon_on_drop(observed))
}

/// An observed attempt. Dropped with its handler, it rolls back, as a transaction of the handler's
/// own would.
pub(crate) type AbandonOnDrop<F> = ScopeGuard<Box<F>, fn(Box<F>)>;

/// Guards the attempt until it ends.
///
/// A destructor cannot await, so the rollback is spawned. Outside of a runtime nothing can be
/// spawned, and dropping the attempt closes its connection, which rolls back too.
fn abandon_on_drop<F: FinishObserved + ?Sized + 'static>(observed: Box<F>) -> AbandonOnDrop<F> {
    scopeguard::guard(observed, |observed| {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(observed.abandon().in_current_span());
        }
    })
}

/// Commits or rolls back what the handler wrote, and returns its response.
///
/// The response is read before the COMMIT, at most `max_response` bytes and one second of it, and
/// only if enforcement would store it. What is longer or slower is passed on as it comes; then
/// there is no record, and the outcome says that enforcement would have failed.
///
/// The verdict is the one of `enforce`, for record and report alone. What commits is decided by
/// `is_err`.
pub(crate) async fn finish<F: FinishObserved + ?Sized + 'static>(
    observed: AbandonOnDrop<F>,
    context: &AttemptContext,
    result: Result<HandlerResponse, HandlerAbort>,
) -> Response {
    let HandlerResponse { response, is_err } = match result {
        Ok(handler) => handler,
        Err(HandlerAbort::Panicked(panic)) => {
            drop(end(observed, context, false, None).await);
            context.note("would_failed");
            resume_unwind(panic)
        }
        Err(HandlerAbort::TimedOut) => {
            drop(end(observed, context, false, None).await);
            return context.refuse(Rejection::Timeout);
        }
    };
    let verdict = context.spec.verdict(response.status(), is_err);
    let forecast = observed.forecast().cloned();
    let (captured, response) = match (&forecast, verdict) {
        (Some(_), Verdict::Store(_)) => {
            let max = context.spec.max_response;
            let max = max.unwrap_or(context.http.max_response);
            capture::peek_at(response, max, &context.http.unstored_headers).await
        }
        _ => (None, response),
    };
    let outcome = match &forecast {
        Some(forecast) => would(context, forecast, verdict, captured.as_ref()),
        None => would_without_record(context, verdict),
    };
    let answer = match verdict {
        Verdict::Store(effects) => captured.map(|completion| (completion, effects)),
        Verdict::Release => None,
    };
    match end(observed, context, !is_err, answer).await {
        Ok(is_stored) => {
            let is_lost = outcome == "would_fresh" && forecast.is_some() && !is_stored;
            context.note(if is_lost { "would_failed" } else { outcome });
            response
        }
        Err(Error::OutcomeUnknown) => context.refuse(Rejection::CommitUnclear),
        Err(error) => context.refuse(failure(&error)),
    }
}

/// Nobody would know whether a dropped COMMIT took effect. So if there is a record, the COMMIT runs
/// to its end although the client hangs up.
///
/// Without a forecast nothing is spawned: a handler without the attribute would be dropped in its
/// COMMIT as well.
async fn end<F: FinishObserved + ?Sized + 'static>(
    observed: AbandonOnDrop<F>,
    context: &AttemptContext,
    keep: bool,
    answer: Option<(Completion, Effects)>,
) -> Result<bool, Error> {
    let is_observed = observed.forecast().is_some();
    let ending = ScopeGuard::into_inner(observed).end(keep, answer);
    if !is_observed {
        return ending.await;
    }
    let started = Instant::now();
    let ended = DetachOnDrop::new(ending.in_current_span()).await;
    metrics::completion_took(context.operation(), context.mode, started.elapsed());
    ended.unwrap_or(Err(Error::OutcomeUnknown))
}

/// What enforcement would have done, as the outcome in logs and metrics.
///
/// A duplicate counts as a replay, in flight or a mismatch, whatever its own handler returned: with
/// enforcement it would not have run.
fn would(
    context: &AttemptContext,
    forecast: &Forecast,
    verdict: Verdict,
    captured: Option<&Completion>,
) -> &'static str {
    match (forecast, verdict, captured) {
        (Forecast::Replay(stored), _, _) => {
            note_difference(context, stored, captured);
            "would_replayed"
        }
        (Forecast::InFlight, _, _) => "would_in_flight",
        (Forecast::Mismatch, _, _) => "would_mismatch",
        (Forecast::Expired, _, _) => "would_expired",
        (Forecast::Unknown, _, _) | (Forecast::Fresh, Verdict::Store(_), None) => "would_failed",
        (Forecast::Fresh, Verdict::Release, _) => "would_released",
        (Forecast::Fresh, Verdict::Store(_), Some(_)) => "would_fresh",
    }
}

/// The same for an attempt without a forecast.
fn would_without_record(context: &AttemptContext, verdict: Verdict) -> &'static str {
    match (context.obstacle, verdict) {
        (Some(Rejection::KeyMissing), _) => "would_key_missing",
        (Some(Rejection::KeyInvalid(_) | Rejection::KeyRepeated), _) => "would_key_invalid",
        (Some(_), _) => "would_failed",
        // The records cannot be read.
        (None, _) if context.has_record => "would_failed",
        // Keys are optional, and the request has none.
        (None, Verdict::Store(_)) => "would_fresh",
        (None, Verdict::Release) => "would_released",
    }
}

/// Counts a retry whose response differs from the stored one, which it would have got.
///
/// Such a handler is not repeatable by itself, which is what enforcement is for: its second run
/// had a second effect, or its response holds something that changes.
fn note_difference(context: &AttemptContext, stored: &Completion, answered: Option<&Completion>) {
    let is_same = answered.is_some_and(|answered| {
        (stored.status, &stored.headers, &stored.body)
            == (answered.status, &answered.headers, &answered.body)
    });
    if !is_same {
        metrics::answers_differ(context.operation());
        let first = StatusCode::from_u16(stored.status).ok();
        let now = answered.map(|answered| answered.status);
        tracing::info!(
            ?first,
            ?now,
            "a retry was answered otherwise than the first attempt"
        );
    }
}
