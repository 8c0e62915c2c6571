//! The life of a request, from the extractors' yes to the answer.
//!
//! `#[idempotent]` turns a handler's body into four calls, in this order: [`Call::split`] takes
//! the request apart; [`Arrived::run`] spawns the attempt's task; on it [`Arrived::begin`] claims
//! the record, the handler runs under [`supervise`](crate::attempt::supervise::supervise), and
//! [`Running::finish`] completes or releases.
//!
//! [`Call::split`]: crate::extract::Call::split

pub(crate) mod context;
pub(crate) mod engine;
pub(crate) mod observe;
pub(crate) mod supervise;
pub(crate) mod without_tx;

use std::fmt;

use axum::response::Response;
use idem_core::{
    Attempt, Buffered, Claim, Completed, Completion, Effects, Error, Operation, Policy,
    RolloutMode, metrics,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::Rejection;
use crate::attempt::context::{Terms, failure, terminal};
use crate::attempt::engine::{Ending, Runtime, Terminal};
use crate::attempt::observe::Lent;
use crate::attempt::supervise::Stopped;
use crate::response::capture;
use crate::spec::{Spec, Verdict};

/// A request whose extractors have all agreed; the database has not been touched.
pub struct Arrived<R> {
    pub(crate) runtime: R,
    pub(crate) spec: &'static Spec,
    pub(crate) mode: RolloutMode,
    pub(crate) policy: Policy,
    /// When the whole request was there.
    pub(crate) arrived: Instant,
    /// The bytes of its body, counted until the attempt itself is.
    pub(crate) buffered: Buffered,
    pub(crate) deadline: Instant,
    /// None where nobody knows, and the mode does not need it.
    pub(crate) operation: Option<Operation>,
    /// None for a request without a key where keys are optional, and in modes that do not enforce
    /// for one that can have no record.
    pub(crate) attempt: Option<Attempt>,
    /// Why it can have none.
    pub(crate) in_the_way: Option<Rejection>,
}

impl<R: Runtime> Arrived<R> {
    /// Runs the attempt on a task of its own and waits for its answer; where it is not enforced on
    /// the request's own, as without the attribute.
    ///
    /// When the client hangs up, axum drops this future. An enforced attempt runs to its end, and a
    /// retry replays what it stored. Any other is dropped too and rolled back: its retry runs.
    pub async fn run<F, Work>(self, work: F) -> Response
    where
        F: FnOnce(Self) -> Work + Send,
        Work: Future<Output = Response> + Send + 'static,
    {
        match self.mode {
            RolloutMode::Enforce => {}
            RolloutMode::Off => return work(self).await,
            RolloutMode::Observe | RolloutMode::Validate => {
                let span = self.span();
                return work(self).instrument(span).await;
            }
        }
        let runtime = self.runtime.clone();
        let span = self.span();
        let (answer, answered) = oneshot::channel();
        let work = work(self);
        let task = async move {
            // Nobody waits for the answer any more when the client has hung up.
            drop(answer.send(work.await));
        };
        tokio::spawn(runtime.wrap(Box::pin(task.instrument(span))));
        match answered.await {
            Ok(answer) => answer,
            // The task ended without an answer: a panic outside of the handler's own future, and nobody
            // knows how far it came.
            Err(_) => Rejection::HandlerPanickedWithoutTx.into_response(runtime.settings()),
        }
    }

    fn span(&self) -> Span {
        let operation = self.operation.as_ref().map(Operation::as_str);
        let operation = operation.unwrap_or(self.spec.item);
        let key = self
            .attempt
            .as_ref()
            .map(|attempt| attempt.name.key.digest());
        let key = key.unwrap_or_else(|| "none".to_owned());
        let mode = self.mode.as_str();
        tracing::info_span!(
            "idempotent_attempt",
            operation,
            mode,
            key,
            outcome = Empty,
            problem = Empty,
            age = Empty
        )
    }

    /// Claims the record. `Err` is the answer of an attempt that must not run.
    ///
    /// # Errors
    ///
    /// A replay, or the refusal that the claim has come to.
    pub async fn begin(self) -> Result<Running<R>, Response> {
        if self.mode != RolloutMode::Enforce {
            return self.begin_unenforced().await;
        }
        let (terms, runtime) = (self.terms(), self.runtime);
        let begun = Instant::now();
        drop(self.buffered);
        let claim = match self.attempt {
            Some(attempt) => runtime.claim(attempt).await,
            None => runtime
                .begin_unprotected(self.policy, self.deadline)
                .await
                .map(Claim::Fresh),
        };
        metrics::claim_took(terms.operation(), terms.mode, begun.elapsed());
        let refusal = match claim {
            Ok(Claim::Fresh(fresh)) => {
                let work = Work::Enforced(fresh);
                return Ok(Running { work, terms });
            }
            Ok(Claim::Replay(completion)) => return Err(terms.replay(&completion)),
            Ok(Claim::InFlight) => Rejection::InFlight,
            Ok(Claim::Mismatch) => Rejection::KeyReused,
            Err(error) => failure(&error),
        };
        Err(terms.refuse(refusal))
    }

    pub(crate) fn terms(&self) -> Terms {
        Terms {
            spec: self.spec,
            settings: self.runtime.settings().clone(),
            mode: self.mode,
            operation: self.operation.clone(),
            arrived: self.arrived,
            deadline: self.deadline,
            has_record: self.attempt.is_some(),
            in_the_way: self.in_the_way,
        }
    }
}

/// The request's own parts are the client's business alone.
impl<R> fmt::Debug for Arrived<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrived")
            .field("operation", &self.operation)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// An attempt whose handler may run.
pub struct Running<R: Runtime> {
    pub(crate) work: Work<R>,
    pub(crate) terms: Terms,
}

/// What of an attempt is to be ended.
pub(crate) enum Work<R: Runtime> {
    Enforced(Box<R::Fresh>),
    Unenforced(Lent<R::Unenforced>),
}

impl<R: Runtime> Running<R> {
    /// When the handler's time is over.
    pub fn deadline(&self) -> Instant {
        self.terms.deadline
    }

    /// Commits the record, the answer and the handler's writes, or rolls all of it back; then
    /// answers.
    pub async fn finish(self, ended: Result<(Response, bool), Stopped>) -> Response {
        let Self { work, terms } = self;
        match work {
            Work::Enforced(fresh) => {
                let terms = &terms;
                Enforced { fresh, terms }.finish(ended).await
            }
            Work::Unenforced(lent) => observe::finish(lent, terms, ended).await,
        }
    }
}

impl<R: Runtime> fmt::Debug for Running<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

/// An attempt that is protected.
struct Enforced<'t, F: ?Sized> {
    fresh: Box<F>,
    terms: &'t Terms,
}

impl<F: Ending + ?Sized> Enforced<'_, F> {
    async fn finish(self, ended: Result<(Response, bool), Stopped>) -> Response {
        let terms = self.terms;
        let can_undo = self.fresh.can_undo();
        let answer = match ended {
            Ok((response, is_err)) => match terms.spec.verdict(response.status(), is_err) {
                Verdict::Store(effects) if terms.has_record => self.store(response, effects).await,
                Verdict::Store(effects) => self.commit(response, effects).await,
                Verdict::Release => self.release().await.map(|()| {
                    terms.note("released");
                    response
                }),
            },
            Err(Stopped::TimedOut) => self.stop().await.and(Err(Rejection::timeout(can_undo))),
            Err(Stopped::Panicked(_)) => {
                let panicked = Rejection::handler_panicked(can_undo);
                self.release().await.and(Err(panicked))
            }
        };
        answer.unwrap_or_else(|rejection| terms.refuse(rejection))
    }

    async fn store(self, response: Response, effects: Effects) -> Result<Response, Rejection> {
        let Terms { spec, settings, .. } = self.terms;
        let max = spec.max_response.unwrap_or(settings.max_response);
        let captured = capture::capture(response, max, settings);
        match timeout_at(self.terms.deadline, captured).await {
            Ok(Some((completion, response))) => {
                self.complete(completion, effects, |terms| terms.answer(response))
                    .await
            }
            _ if !self.fresh.can_undo() => self.complete_without_answer().await,
            Ok(None) => self
                .release()
                .await
                .and(Err(Rejection::ResponseNotStorable)),
            Err(_) => self.release().await.and(Err(Rejection::Timeout)),
        }
    }

    /// Without a key nothing is stored, so the answer need not be read.
    async fn commit(self, response: Response, effects: Effects) -> Result<Response, Rejection> {
        self.complete(Completion::default(), effects, |terms| {
            terms.answer(response)
        })
        .await
    }

    /// What the handler did cannot be undone, so that a retry must not do it again.
    async fn complete_without_answer(self) -> Result<Response, Rejection> {
        let rejection = Rejection::ResponseLost;
        let completion = rejection.into_completion(&self.terms.settings);
        self.complete(completion, Effects::Keep, |terms| terms.refuse(rejection))
            .await
    }

    async fn complete(
        self,
        completion: Completion,
        effects: Effects,
        answer: impl FnOnce(&Terms) -> Response,
    ) -> Result<Response, Rejection> {
        let (terms, begun) = (self.terms, Instant::now());
        let terminal = self.terminal();
        let completed = self.fresh.complete(completion, effects, terminal).await;
        metrics::completion_took(terms.operation(), terms.mode, begun.elapsed());
        match completed {
            Ok(Completed::Committed) => Ok(answer(terms)),
            Ok(Completed::Replay(completion)) => Ok(terms.replay(&completion)),
            Ok(Completed::Mismatch) => Err(Rejection::KeyReused),
            // Nothing finds that out later.
            Err(Error::OutcomeUnknown) if !terms.has_record => Err(Rejection::CommitUnclear),
            Err(error) => Err(failure(&error)),
        }
    }

    async fn release(self) -> Result<(), Rejection> {
        let terminal = self.terminal();
        let released = self.fresh.release(terminal).await;
        released.map_err(|error| failure(&error))
    }

    async fn stop(self) -> Result<(), Rejection> {
        let terminal = self.terminal();
        let stopped = self.fresh.stop(terminal).await;
        stopped.map_err(|error| failure(&error))
    }

    fn terminal(&self) -> Terminal {
        let rejection = match self.fresh.can_undo() {
            true => Rejection::TransactionBroken,
            false => Rejection::ResponseLost,
        };
        terminal(rejection, self.terms.settings.clone())
    }
}
