//! The life of a request in the modes that do not enforce: its handler's own outcome decides.

use std::panic::resume_unwind;
use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use idem_core::{Completion, Effects, Error, Forecast, RolloutMode, metrics};
use scopeguard::ScopeGuard;
use tokio::runtime::Handle;
use tokio::time::Instant;
use tracing::Instrument;

use crate::Rejection;
use crate::attempt::context::{Terms, failure};
use crate::attempt::engine::{Runtime, UnenforcedEnding};
use crate::attempt::supervise::Stopped;
use crate::attempt::{Arrived, Running, Work};
use crate::response::capture;
use crate::spec::Verdict;

impl<R: Runtime> Arrived<R> {
    /// Begins whatever is known of the attempt; only the mode `validate` refuses a key that was
    /// used for another request.
    pub(crate) async fn begin_unenforced(self) -> Result<Running<R>, Response> {
        let mut terms = self.terms();
        terms.deadline = Instant::now() + NO_LIMIT;
        let started = Instant::now();
        drop(self.buffered);
        let begun = match self.attempt {
            Some(attempt) => {
                let watched = self.runtime.watch(attempt).await;
                metrics::claim_took(terms.operation(), terms.mode, started.elapsed());
                watched
            }
            None => self.runtime.begin_plain(self.policy).await,
        };
        match begun {
            Ok(work) => {
                let is_mismatch = matches!(work.forecast(), Some(Forecast::Mismatch));
                if is_mismatch && self.mode == RolloutMode::Validate {
                    drop(work.end(false, None).await);
                    return Err(terms.refuse(Rejection::KeyReused));
                }
                let work = Work::Unenforced(lend(work));
                Ok(Running { work, terms })
            }
            Err(error) => Err(terms.refuse(failure(&error))),
        }
    }
}

/// What is lent to a handler. Dropped with the handler, it is given up, as a transaction of the
/// handler's own would be.
pub(crate) type Lent<E> = ScopeGuard<Box<E>, fn(Box<E>)>;

fn lend<E: UnenforcedEnding + ?Sized + 'static>(work: Box<E>) -> Lent<E> {
    scopeguard::guard(work, |work| {
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(work.abandon().in_current_span());
        }
    })
}

/// Commits or rolls back what the handler wrote, and answers as it did.
pub(crate) async fn finish<E: UnenforcedEnding + ?Sized + 'static>(
    lent: Lent<E>,
    terms: Terms,
    ended: Result<(Response, bool), Stopped>,
) -> Response {
    let (response, is_err) = match ended {
        Ok(returned) => returned,
        Err(Stopped::Panicked(panic)) => {
            drop(end(lent, &terms, false, None).await);
            terms.note("would_failed");
            resume_unwind(panic)
        }
        Err(Stopped::TimedOut) => {
            drop(end(lent, &terms, false, None).await);
            return terms.refuse(Rejection::Timeout);
        }
    };
    let verdict = terms.spec.verdict(response.status(), is_err);
    let forecast = lent.forecast().cloned();
    let (captured, response) = match (&forecast, verdict) {
        (Some(_), Verdict::Store(_)) => {
            let max = terms.spec.max_response;
            let max = max.unwrap_or(terms.settings.max_response);
            capture::look_at(response, max, &terms.settings).await
        }
        _ => (None, response),
    };
    let outcome = match &forecast {
        Some(forecast) => would(&terms, forecast, verdict, captured.as_ref()),
        None => would_without_record(&terms, verdict),
    };
    let answer = match verdict {
        Verdict::Store(effects) => captured.map(|completion| (completion, effects)),
        Verdict::Release => None,
    };
    match end(lent, &terms, !is_err, answer).await {
        Ok(is_stored) => {
            let is_lost = outcome == "would_fresh" && forecast.is_some() && !is_stored;
            terms.note(if is_lost { "would_failed" } else { outcome });
            response
        }
        Err(Error::OutcomeUnknown) => terms.refuse(Rejection::CommitUnclear),
        Err(error) => terms.refuse(failure(&error)),
    }
}

/// A COMMIT that is dropped on its way tells nobody whether it took effect. So where there is a record
/// to find that out by, it comes to its end although the client hangs up.
async fn end<E: UnenforcedEnding + ?Sized + 'static>(
    lent: Lent<E>,
    terms: &Terms,
    keep: bool,
    answer: Option<(Completion, Effects)>,
) -> Result<bool, Error> {
    let is_watched = lent.forecast().is_some();
    let ending = ScopeGuard::into_inner(lent).end(keep, answer);
    if !is_watched {
        return ending.await;
    }
    let started = Instant::now();
    let ended = tokio::spawn(ending.in_current_span()).await;
    metrics::completion_took(terms.operation(), terms.mode, started.elapsed());
    ended.unwrap_or(Err(Error::OutcomeUnknown))
}

/// What enforcement would have done, as a word for logs and metrics.
fn would(
    terms: &Terms,
    forecast: &Forecast,
    verdict: Verdict,
    captured: Option<&Completion>,
) -> &'static str {
    match (forecast, verdict, captured) {
        (Forecast::Replay(stored), _, _) => {
            note_difference(terms, stored, captured);
            "would_replayed"
        }
        (Forecast::InFlight, _, _) => "would_in_flight",
        (Forecast::Mismatch, _, _) => "would_mismatch",
        (Forecast::Unknown, _, _) | (Forecast::Fresh, Verdict::Store(_), None) => "would_failed",
        (Forecast::Fresh, Verdict::Release, _) => "would_released",
        (Forecast::Fresh, Verdict::Store(_), Some(_)) => "would_fresh",
    }
}

/// The same of an attempt that nothing is known of.
fn would_without_record(terms: &Terms, verdict: Verdict) -> &'static str {
    match (terms.in_the_way, verdict) {
        (Some(Rejection::KeyMissing), _) => "would_key_missing",
        (Some(Rejection::KeyInvalid(_) | Rejection::KeyRepeated), _) => "would_key_invalid",
        (Some(_), _) => "would_failed",
        // The records cannot be read.
        (None, _) if terms.has_record => "would_failed",
        // Where keys are optional none is needed.
        (None, Verdict::Store(_)) => "would_fresh",
        (None, Verdict::Release) => "would_released",
    }
}

/// A client that retries would have been told what it was told first.
fn note_difference(terms: &Terms, stored: &Completion, answered: Option<&Completion>) {
    let is_same = answered.is_some_and(|answered| {
        (stored.status, &stored.headers, &stored.body)
            == (answered.status, &answered.headers, &answered.body)
    });
    if !is_same {
        metrics::answers_differ(terms.operation());
        let first = StatusCode::from_u16(stored.status).ok();
        let now = answered.map(|answered| answered.status);
        tracing::info!(
            ?first,
            ?now,
            "a retry was answered otherwise than the first attempt"
        );
    }
}

/// Nobody's time is over where nothing is enforced.
const NO_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);
