//! The life of a request, from the extractors' yes to the answer.
//!
//! `#[idempotent]` turns a handler's body into three calls, in this order: [`Arrived::run`]
//! spawns the attempt's task; on it [`Ready::begin`] claims the record, the handler runs under
//! [`supervise`](crate::supervise::supervise), and [`Running::finish`] completes or releases.

use std::fmt;

use axum::body::Bytes;
use axum::response::Response;
use idem_core::{
    Attempt, Claim, Completed, Completion, Effects, Policy, RecordName, Scope, Settings,
};
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::answer::{failure, outcome, refuse, replay, terminal};
use crate::request::Head;
use crate::runtime::{Ending, Runtime};
use crate::spec::{Spec, Verdict};
use crate::supervise::Stopped;
use crate::{Rejection, capture};

/// A request whose extractors have all agreed; the database has not been touched.
pub struct Arrived<R> {
    runtime: R,
    head: Head,
    scope: Scope,
    body: Bytes,
}

/// An attempt that knows its record and its terms, on its own task.
#[derive(Debug)]
pub struct Ready<R> {
    runtime: R,
    spec: &'static Spec,
    policy: Policy,
    deadline: Instant,
    /// None for a request without a key, where keys are optional.
    attempt: Option<Attempt>,
}

impl<R: Runtime> Arrived<R> {
    pub(crate) fn new(runtime: R, head: Head, scope: Scope, body: Bytes) -> Self {
        Self {
            runtime,
            head,
            scope,
            body,
        }
    }

    /// Runs the attempt on a task of its own and waits for its answer.
    ///
    /// When the client hangs up, axum drops this future; the task runs to its end, and a retry
    /// replays what it stored.
    pub async fn run<F, Work>(self, spec: &'static Spec, work: F) -> Response
    where
        F: FnOnce(Ready<R>) -> Work + Send,
        Work: Future<Output = Response> + Send + 'static,
    {
        let runtime = self.runtime.clone();
        let ready = match self.make_ready(spec) {
            Ok(ready) => ready,
            Err(rejection) => return rejection.into_response(runtime.settings()),
        };
        let span = ready.span();
        let (answer, answered) = oneshot::channel();
        let work = work(ready);
        let task = async move {
            // Nobody waits for the answer any more when the client has hung up.
            drop(answer.send(work.await));
        };
        tokio::spawn(runtime.wrap(Box::pin(task.instrument(span))));
        match answered.await {
            Ok(answer) => answer,
            // The task ended without an answer: a panic outside of the handler's own future.
            Err(_) => Rejection::HandlerPanicked.into_response(runtime.settings()),
        }
    }

    fn make_ready(self, spec: &'static Spec) -> Result<Ready<R>, Rejection> {
        let Self {
            runtime,
            head,
            scope,
            body,
        } = self;
        let operation = head.operation(spec)?;
        let policy = spec.policy(runtime.settings().policy);
        let deadline = head.arrived + policy.timeout;
        let fingerprint = head.fingerprint(spec, &body);
        let attempt = head.key.map(|key| {
            let name = RecordName {
                scope,
                operation,
                key,
            };
            Attempt {
                name,
                fingerprint,
                policy,
                deadline,
            }
        });
        Ok(Ready {
            runtime,
            spec,
            policy,
            deadline,
            attempt,
        })
    }
}

/// The body is the client's business alone.
impl<R> fmt::Debug for Arrived<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arrived")
            .field("head", &self.head)
            .finish_non_exhaustive()
    }
}

impl<R: Runtime> Ready<R> {
    fn span(&self) -> Span {
        let (operation, key) = match &self.attempt {
            Some(Attempt { name, .. }) => (name.operation.as_str(), name.key.digest()),
            None => (self.spec.item, "none".to_owned()),
        };
        tracing::info_span!("idempotent_attempt", operation, key, outcome = Empty)
    }

    /// Claims the record. `Err` is the answer of an attempt that must not run.
    ///
    /// # Errors
    ///
    /// A replay, or the refusal that the claim has come to.
    pub async fn begin(self) -> Result<Running<R::Fresh>, Response> {
        let Self {
            runtime,
            spec,
            policy,
            deadline,
            attempt,
        } = self;
        let protected = attempt.is_some();
        let claim = match attempt {
            Some(attempt) => runtime.claim(attempt).await,
            None => runtime
                .begin_unprotected(policy, deadline)
                .await
                .map(Claim::Fresh),
        };
        let settings = runtime.settings();
        let refusal = match claim {
            Ok(Claim::Fresh(fresh)) => {
                let settings = settings.clone();
                return Ok(Running {
                    fresh,
                    spec,
                    settings,
                    deadline,
                    protected,
                });
            }
            Ok(Claim::Replay(completion)) => return Err(replay(&completion, settings)),
            Ok(Claim::InFlight) => Rejection::InFlight,
            Ok(Claim::Mismatch) => Rejection::KeyReused,
            Err(error) => failure(&error),
        };
        Err(refuse(refusal, settings))
    }
}

/// An attempt whose handler may run.
#[derive(Debug)]
pub struct Running<F: ?Sized> {
    pub(crate) fresh: Box<F>,
    spec: &'static Spec,
    settings: Settings,
    deadline: Instant,
    protected: bool,
}

impl<F: Ending + ?Sized> Running<F> {
    /// When the handler's time is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Commits the record, the answer and the handler's writes, or rolls all of it back; then
    /// answers.
    pub async fn finish(self, ended: Result<(Response, bool), Stopped>) -> Response {
        let settings = self.settings.clone();
        let answer = match ended {
            Ok((response, is_err)) => match self.spec.verdict(response.status(), is_err) {
                Verdict::Store(effects) if self.protected => self.store(response, effects).await,
                Verdict::Store(effects) => self.commit(response, effects).await,
                Verdict::Release => self.release().await.map(|()| {
                    outcome("released");
                    response
                }),
            },
            Err(Stopped::TimedOut) => self.stop().await.and(Err(Rejection::Timeout)),
            Err(Stopped::Panicked) => self.release().await.and(Err(Rejection::HandlerPanicked)),
        };
        answer.unwrap_or_else(|rejection| refuse(rejection, &settings))
    }

    async fn store(self, response: Response, effects: Effects) -> Result<Response, Rejection> {
        let max = self.spec.max_response.unwrap_or(self.settings.max_response);
        let captured = capture::capture(response, max, &self.settings);
        match timeout_at(self.deadline, captured).await {
            Ok(Some((completion, response))) => self.complete(completion, effects, response).await,
            Ok(None) => self
                .release()
                .await
                .and(Err(Rejection::ResponseNotStorable)),
            Err(_) => self.release().await.and(Err(Rejection::Timeout)),
        }
    }

    /// Without a key nothing is stored, so the answer need not be read.
    async fn commit(self, response: Response, effects: Effects) -> Result<Response, Rejection> {
        self.complete(Completion::default(), effects, response)
            .await
    }

    async fn complete(
        self,
        completion: Completion,
        effects: Effects,
        response: Response,
    ) -> Result<Response, Rejection> {
        let settings = self.settings.clone();
        let completed = self
            .fresh
            .complete(completion, effects, terminal(self.settings))
            .await;
        match completed {
            Ok(Completed::Committed) => {
                outcome("fresh");
                Ok(response)
            }
            Ok(Completed::Replay(completion)) => Ok(replay(&completion, &settings)),
            Ok(Completed::Mismatch) => Err(Rejection::KeyReused),
            Err(error) => Err(failure(&error)),
        }
    }

    async fn release(self) -> Result<(), Rejection> {
        let released = self.fresh.release(terminal(self.settings)).await;
        released.map_err(|error| failure(&error))
    }

    async fn stop(self) -> Result<(), Rejection> {
        let stopped = self.fresh.stop(terminal(self.settings)).await;
        stopped.map_err(|error| failure(&error))
    }
}
