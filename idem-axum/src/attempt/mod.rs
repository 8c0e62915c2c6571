//! The life of an attempt, from the last extractor to the response.
//!
//! `#[idempotent]` turns a handler's body into three calls, in this order:
//! [`IdempotentRequest::prepare`] takes the request apart; [`PendingAttempt::run`] claims the record
//! and spawns the handler's task; on it the handler runs under [`supervise`](supervise::supervise), and
//! [`ActiveAttempt::finish`](active::ActiveAttempt::finish) completes or releases.
//!
//! ```text
//! request's task    prepare ── claim ──────────────────────────── response
//!                                  └ spawn ┐                     ↑ oneshot
//! handler's task                           handler ──────── finish
//! database                  BEGIN, claim   writes    insert record, COMMIT
//! ```
//!
//! In the mode `enforce` the client's hanging up ends neither: a task goes on with the claim, and the
//! handler has its own. A replay needs none. In the other modes the request's task does everything, and
//! only the end of an observed attempt goes on without it.
//!
//! # What ends an attempt, and how
//!
//! | in `enforce` | with a `Tx` | without a `Tx` |
//! | --- | --- | --- |
//! | the handler returns, its status is stored | record and writes commit | the record commits |
//! | it returns another status | rolled back, the key is free | the key is free, its effects stay |
//! | it panics, or reaches its deadline | rolled back, the key is free | the key is free, its effects stay |
//! | its client hangs up | runs to its end | runs to its end |
//! | the process dies | the database rolls back | the lock ends, its effects stay |
//!
//! `enforce` and `observe` hold one mode each. They share [`AttemptContext`], the engine's traits
//! and what a handler returns, and nothing else: an observed attempt never takes a path that could
//! refuse it.
//!
//! [`IdempotentRequest::prepare`]: crate::extract::IdempotentRequest::prepare

pub(crate) mod active;
pub(crate) mod context;
pub(crate) mod enforce;
pub(crate) mod engine;
pub(crate) mod observe;
pub(crate) mod supervise;
pub(crate) mod without_tx;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use futures_util::future::BoxFuture;
use idem_core::{Attempt, DetachOnDrop, Operation, Policy, RolloutMode};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::attempt::active::{ActiveAttempt, Work};
use crate::attempt::context::AttemptContext;
use crate::attempt::engine::AttemptEngine;
use crate::body::budget::BodyReservation;
use crate::spec::Spec;
use crate::{HttpSettings, Rejection};

/// The handler's part of an attempt, with its completion. It is a trait object, so that an attempt's
/// life is compiled once for each database and not for each handler.
type BoxedWork<E> = Box<dyn FnOnce(ActiveAttempt<E>) -> BoxFuture<'static, Response> + Send>;

/// An attempt whose extractors have succeeded; the database has not been touched.
///
/// Dropping it leaves nothing behind.
pub struct PendingAttempt<E> {
    pub(crate) engine: E,
    pub(crate) http: Arc<HttpSettings>,
    pub(crate) spec: Spec,
    pub(crate) mode: RolloutMode,
    pub(crate) policy: Policy,
    /// When the request was complete.
    pub(crate) arrived: Instant,
    /// The bytes of its body, counted until the attempt begins.
    pub(crate) buffered: BodyReservation,
    pub(crate) deadline: Instant,
    /// `None` if it is not known, which only modes that do not enforce allow.
    pub(crate) operation: Option<Operation>,
    /// `None` for a request without a key where keys are optional, and in modes that do not enforce
    /// for one that can have no record.
    pub(crate) attempt: Option<Attempt>,
    /// Why it can have no record.
    pub(crate) obstacle: Option<Rejection>,
}

impl<E: AttemptEngine> PendingAttempt<E> {
    /// Claims the record, runs `work` if the attempt may run, and returns the response.
    ///
    /// When the client hangs up, axum drops this future. An enforced attempt runs to its end, and a
    /// retry replays what it stored. Any other attempt is dropped and rolled back, and a retry
    /// runs.
    ///
    /// # Cancellation
    ///
    /// Safe to drop, in every mode; what is dropped with it is said above. A caller that neither polls
    /// nor drops it stops the claim's clock, but not the handler's.
    pub fn run<F, Work>(self, work: F) -> BoxFuture<'static, Response>
    where
        F: FnOnce(ActiveAttempt<E>) -> Work + Send + 'static,
        Work: Future<Output = Response> + Send + 'static,
    {
        self.run_boxed(Box::new(|attempt| Box::pin(work(attempt))))
    }

    /// Runs the handler as the mode asks for.
    fn run_boxed(self, work: BoxedWork<E>) -> BoxFuture<'static, Response> {
        match self.mode {
            RolloutMode::Enforce => Box::pin(self.run_to_its_end(work)),
            RolloutMode::Off => Box::pin(self.run_here(work)),
            RolloutMode::Observe | RolloutMode::Validate => {
                let span = self.span();
                Box::pin(self.run_here(work).instrument(span))
            }
        }
    }

    /// Runs the handler on the request's task, as without the attribute.
    async fn run_here(self, work: BoxedWork<E>) -> Response {
        match self.begin().await {
            Ok(attempt) => work(attempt).await,
            Err(answer) => answer,
        }
    }

    /// Claims here, and runs the handler on a task of its own.
    ///
    /// Neither may be dropped half-way, and not only for the client's sake: a BEGIN that is dropped
    /// leaves the connection of SQLx 0.9.0 inside a transaction, and the pool hands it to the next user.
    /// The handler has its task from the beginning, so that its task-locals do not depend on whether
    /// the client stays.
    ///
    /// The application's hook and the span are applied on the request's task, where they see its
    /// task-locals and its span. A panic of the handler ends in [`supervise`](supervise::supervise); the
    /// oneshot is closed without a response only by a panic outside of it, such as in the body of its
    /// response, or with the runtime.
    async fn run_to_its_end(self, work: BoxedWork<E>) -> Response {
        let (engine, http) = (self.engine.clone(), Arc::clone(&self.http));
        let span = self.span();
        let (begin, begun) = oneshot::channel();
        let (answer, answered) = oneshot::channel();
        let handler = async move {
            if let Ok(attempt) = begun.await {
                // After the client has hung up, nobody waits for the response.
                drop(answer.send(work(attempt).await));
            }
        };
        let handler = engine.wrap(Box::pin(handler.instrument(span.clone())));
        let claim = async move {
            let attempt = self.begin().await?;
            drop(begin.send(attempt));
            tokio::spawn(handler);
            Ok(())
        };
        let answer = match DetachOnDrop::new(claim.instrument(span)).await {
            Ok(Ok(())) => answered.await.ok(),
            Ok(Err(answer)) => Some(answer),
            Err(_) => None,
        };
        // Without a response there was a panic outside of the handler's own future. How far the attempt
        // came is not known.
        answer.unwrap_or_else(|| Rejection::HandlerPanickedWithoutTx.into_response(&http))
    }

    /// The span of the attempt, a child of the request's.
    ///
    /// It has a short digest of the key, never the key, and no scope. `outcome`, `problem` and
    /// `age` are filled in later.
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

    /// Claims the record. `Err` is the response of an attempt that must not run.
    ///
    /// The body's bytes are given back to the node first: the attempts that run or wait are bounded
    /// by their number, and a waiting duplicate must not keep uploads out.
    ///
    /// # Errors
    ///
    /// A replay, or the rejection that the claim ended with: 409, 422 or 503. The handler has not
    /// run.
    ///
    /// # Cancellation
    ///
    /// Dropping the future at any await closes the connection and frees the key.
    async fn begin(self) -> Result<ActiveAttempt<E>, Response> {
        let context = self.context();
        let (engine, policy, attempt) = (&self.engine, self.policy, self.attempt);
        drop(self.buffered);
        let work = match self.mode {
            RolloutMode::Enforce => {
                Work::Enforced(enforce::begin(engine, attempt, policy, &context).await?)
            }
            RolloutMode::Off | RolloutMode::Observe | RolloutMode::Validate => {
                Work::Observed(observe::begin(engine, attempt, policy, &context).await?)
            }
        };
        Ok(ActiveAttempt { work, context })
    }

    /// What the end of the attempt needs. Outside of `enforce` it has the deadline of no handler.
    fn context(&self) -> AttemptContext {
        AttemptContext {
            spec: self.spec,
            http: Arc::clone(&self.http),
            mode: self.mode,
            operation: self.operation.clone(),
            arrived: self.arrived,
            deadline: match self.mode {
                RolloutMode::Enforce => self.deadline,
                _ => Instant::now() + NO_LIMIT,
            },
            has_record: self.attempt.is_some(),
            is_tx_unused: false,
            obstacle: self.obstacle,
        }
    }
}

/// Hides the request's own parts, which may be secret.
impl<E> fmt::Debug for PendingAttempt<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingAttempt")
            .field("operation", &self.operation)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// A handler has no deadline in a mode that does not enforce. The wrapper has one all the same, so
/// it is further away than any request lasts.
const NO_LIMIT: Duration = Duration::from_secs(30 * 24 * 3600);
