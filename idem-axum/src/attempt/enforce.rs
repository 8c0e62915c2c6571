//! An attempt in the mode `enforce`: record, response and writes are one transaction.
//!
//! The order at the end, with a `Tx`:
//!
//! 1. The verdict, by the status and whether it is an `Err`.
//! 2. The response is read to its end. Its body may be a stream that fails, or be too long; a record
//!    that is committed could no longer be undone.
//! 3. Guard, record, COMMIT, in the engine.
//! 4. The client's response, after the COMMIT.
//!
//! Two rules hold in each branch:
//!
//! * With a `Tx`, whatever goes wrong before the COMMIT rolls back, and the response says that
//!   nothing was changed. After it, the response says what is known.
//! * Without one, a handler that has returned has done its work. From then on no response says that
//!   nothing was done. If its status is one to store, a record is stored even if the response
//!   cannot be.

use std::sync::Arc;

use axum::response::Response;
use idem_core::{Attempt, Claim, Completed, Completion, Effects, Error, Policy, metrics};
use tokio::time::{Instant, timeout_at};

use crate::Rejection;
use crate::attempt::context::{AttemptContext, failure};
use crate::attempt::engine::{AttemptEngine, FinishAttempt, TerminalCompletion};
use crate::attempt::supervise::HandlerAbort;
use crate::response::capture;
use crate::response::output::HandlerResponse;
use crate::spec::Verdict;

/// Claims the record. Without a key there is none, and the attempt begins unprotected.
///
/// # Errors
///
/// The response: a replay, 409 `in-flight`, 422 `key-reused` or `key-expired`, or the problem of a
/// failure. Each of them means that the handler has not run.
pub(crate) async fn begin<E: AttemptEngine>(
    engine: &E,
    attempt: Option<Attempt>,
    policy: Policy,
    context: &AttemptContext,
) -> Result<Box<E::Claimed>, Response> {
    let started = Instant::now();
    let claim = match attempt {
        Some(attempt) => engine.claim(attempt).await,
        None => engine
            .begin_unprotected(policy, context.deadline)
            .await
            .map(Claim::Fresh),
    };
    metrics::claim_took(context.operation(), context.mode, started.elapsed());
    let refusal = match claim {
        Ok(Claim::Fresh(claimed)) => return Ok(claimed),
        Ok(Claim::Replay(completion)) => return Err(context.replay(&completion)),
        Ok(Claim::InFlight) => Rejection::InFlight,
        Ok(Claim::Mismatch) => Rejection::KeyReused,
        Ok(Claim::Expired) => Rejection::KeyExpired,
        Err(error) => failure(&error),
    };
    Err(context.refuse(refusal))
}

/// Completes or releases the attempt, and returns the response.
///
/// A handler that reached its deadline was dropped in the middle of a statement, perhaps; that one
/// is cancelled in the database before the rollback, since it would run on there and keep its
/// locks. If the rollback shows that the handler had ended the transaction itself, that problem is
/// the answer, not the timeout or the panic.
pub(crate) async fn finish<F: FinishAttempt + ?Sized>(
    claimed: Box<F>,
    context: &AttemptContext,
    result: Result<HandlerResponse, HandlerAbort>,
) -> Response {
    let finish = Finish { claimed, context };
    let can_undo = finish.can_undo();
    let answer = match result {
        Ok(handler) => finish.returned(handler).await,
        Err(HandlerAbort::TimedOut) => finish.stop().await.and(Err(Rejection::timeout(can_undo))),
        Err(HandlerAbort::Panicked(_)) => {
            let panicked = Rejection::handler_panicked(can_undo);
            finish.release().await.and(Err(panicked))
        }
    };
    answer.unwrap_or_else(|rejection| context.refuse(rejection))
}

/// What a client learns whose handler did its work without the transaction that was open for it.
///
/// After [`Error::TransactionBroken`] that is what retries get too.
fn done_outside(error: &Error) -> Rejection {
    failure(error);
    match error {
        Error::TransactionBroken => Rejection::ResponseLost,
        _ => Rejection::DoneNotRecorded,
    }
}

/// The end of a claimed attempt.
struct Finish<'c, F: ?Sized> {
    claimed: Box<F>,
    context: &'c AttemptContext,
}

impl<F: FinishAttempt + ?Sized> Finish<'_, F> {
    /// Whether a rollback undoes what the handler did.
    fn can_undo(&self) -> bool {
        self.claimed.can_undo() && !self.context.is_tx_unused
    }

    /// Follows the verdict. A response that is not stored is still the handler's own.
    async fn returned(self, handler: HandlerResponse) -> Result<Response, Rejection> {
        let HandlerResponse { response, is_err } = handler;
        let context = self.context;
        match context.spec.verdict(response.status(), is_err) {
            Verdict::Store(effects) if context.has_record => self.store(response, effects).await,
            Verdict::Store(effects) => self.commit(response, effects).await,
            Verdict::Release => {
                self.release().await?;
                context.note("released");
                Ok(response)
            }
        }
    }

    /// Reads the response and completes with it.
    ///
    /// The reading counts against the handler's deadline: a body that is a slow stream keeps the
    /// transaction open as the handler itself would. If it does not end, cannot be read or is too
    /// long, an attempt with a `Tx` is rolled back; one without is completed with `response-lost`.
    async fn store(self, response: Response, effects: Effects) -> Result<Response, Rejection> {
        let AttemptContext { spec, http, .. } = self.context;
        let max = spec.max_response.unwrap_or(http.max_response);
        let captured = capture::capture(response, max, &http.unstored_headers);
        match timeout_at(self.context.deadline, captured).await {
            Ok(Some((completion, response))) => {
                self.complete(completion, effects, |context| context.answer(response))
                    .await
            }
            _ if !self.can_undo() => self.complete_without_answer().await,
            Ok(None) => self
                .release()
                .await
                .and(Err(Rejection::ResponseNotStorable)),
            Err(_) => self.release().await.and(Err(Rejection::Timeout)),
        }
    }

    /// Without a key nothing is stored, so the response is not read.
    async fn commit(self, response: Response, effects: Effects) -> Result<Response, Rejection> {
        self.complete(Completion::default(), effects, |context| {
            context.answer(response)
        })
        .await
    }

    /// What the handler did cannot be undone, so a retry must not run.
    async fn complete_without_answer(self) -> Result<Response, Rejection> {
        let rejection = Rejection::ResponseLost;
        let completion = rejection.into_completion(&self.context.http);
        self.complete(completion, Effects::Keep, |context| {
            context.refuse(rejection)
        })
        .await
    }

    /// Commits, and says what became of it.
    ///
    /// [`Completed::Replay`] and [`Completed::Mismatch`] mean that another node was faster: this
    /// attempt's writes are rolled back, and its client gets what a retry would get.
    async fn complete(
        self,
        completion: Completion,
        effects: Effects,
        answer: impl FnOnce(&AttemptContext) -> Response,
    ) -> Result<Response, Rejection> {
        let (context, started) = (self.context, Instant::now());
        let terminal = self.terminal();
        let completed = self.claimed.complete(completion, effects, terminal).await;
        metrics::completion_took(context.operation(), context.mode, started.elapsed());
        match completed {
            Ok(Completed::Committed) => Ok(answer(context)),
            Ok(Completed::Replay(completion)) => Ok(context.replay(&completion)),
            // What the handler did is not in the transaction that has failed.
            Ok(Completed::Mismatch) if context.is_tx_unused => Err(Rejection::DoneNotRecorded),
            Err(error) if context.is_tx_unused => Err(done_outside(&error)),
            Ok(Completed::Mismatch) => Err(Rejection::KeyReused),
            // Without a record no retry can find out.
            Err(Error::OutcomeUnknown) if !context.has_record => Err(Rejection::CommitUnclear),
            Err(error) => Err(failure(&error)),
        }
    }

    /// Rolls back. An error means that the handler has broken its transaction.
    async fn release(self) -> Result<(), Rejection> {
        let terminal = self.terminal();
        let released = self.claimed.release(terminal).await;
        released.map_err(|error| failure(&error))
    }

    /// As `release`, and cancels the statement that the handler was dropped in.
    async fn stop(self) -> Result<(), Rejection> {
        let terminal = self.terminal();
        let stopped = self.claimed.stop(terminal).await;
        stopped.map_err(|error| failure(&error))
    }

    /// What retries get if the attempt's own response cannot be stored.
    ///
    /// A closure, since it is rarely needed: the body of a problem is made only then.
    fn terminal(&self) -> TerminalCompletion {
        let rejection = match self.can_undo() {
            true => Rejection::TransactionBroken,
            false => Rejection::ResponseLost,
        };
        let http = Arc::clone(&self.context.http);
        Box::new(move || rejection.into_completion(&http))
    }
}
