//! Turns a request into an attempt and the handler's arguments.
//!
//! The order is fixed:
//!
//! 1. **The key's syntax**, which costs nothing: 400.
//! 2. **The extractors that need no body**: authorisation, so a replay needs it as the first attempt
//!    did, also after access was revoked. The last extractor runs here too if it needs no body.
//! 3. **The scope.** Its extractor sees what authorisation has put into the request: 401. Only now a
//!    key that is missing is refused, 400: a client that is not authenticated hears of that first.
//! 4. **The body.** An unauthenticated client cannot make the server buffer one: 408, 413, 503.
//! 5. **The last extractor**, if it needs the body. One that refuses leaves the key free.
//! 6. **The fingerprint.**
//!
//! Idem asks the database afterwards, in the attempt. None of its own steps here waits for one.
//!
//! The rollout mode decides which of these steps may refuse the request. In a mode that does not
//! refuse, the attempt keeps the reason why it can have no record.
//!
//! | | `off` | `observe` | `validate` | `enforce` |
//! | --- | --- | --- | --- | --- |
//! | a wrong or missing key | runs | runs, no record | refused | refused |
//! | no scope, no operation | runs | runs, no record | refused | refused |
//! | `GET`, `HEAD`, `OPTIONS` | runs | runs, no record | 500 | 500 |
//! | the body | not read | peeked at | peeked at | read within its limits |
//!
//! The mode depends on the scope, and the key is checked before the scope is known. So the first
//! check uses the lower of the rule's two modes: it refuses only what every scope's mode refuses.
//! The second check, with the scope, is exact.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::response::Response;
use idem_core::{Attempt, IdempotencyKey, Operation, RolloutMode, RolloutRule, Scope};
use tokio::time::Instant;

use crate::attempt::PendingAttempt;
use crate::attempt::engine::AttemptEngine;
use crate::body::budget::BodyReservation;
use crate::extract::arguments::RequestArguments;
use crate::extract::body::{buffer, peek_at, unread};
use crate::extract::fingerprint::fingerprint;
use crate::extract::head::Head;
use crate::extract::name::{NameParts, check_syntax, count_refusal, scope_and_mode};
use crate::spec::Spec;
use crate::{HttpSettings, Rejection};

/// In the extensions of a request that an [`IdempotencyLayer`](crate::IdempotencyLayer) has begun.
#[derive(Clone)]
pub(crate) struct UnderLayer;

/// Runs the handler's extractors in Idem's order.
///
/// All of it ends with the request when the client hangs up; only a fingerprint that is being computed
/// on another thread goes on.
pub(crate) async fn prepare<E: AttemptEngine>(
    request: Request,
    arguments: &mut dyn RequestArguments,
    engine: E,
    spec: Spec,
) -> Result<PendingAttempt<E>, Response> {
    let http = engine.http();
    let refuse = |why: Rejection| why.into_response(&http);
    let (mut head, body) = request.into_parts();
    check_layers(&head).map_err(refuse)?;
    let version = head.version;
    let named = NamedOperation::read(&mut head, engine, spec, &http).await;
    named.check_key().map_err(refuse)?;
    arguments.before_body(&mut head).await?;
    let (mode, scope) = scope_and_mode(named.rule, arguments, &mut head).await?;
    let mut scoped = named.in_scope(mode, scope, &http).map_err(refuse)?;
    let (request, read) = scoped
        .read_body(head, body)
        .await
        .map_err(|why| unread(why, version, &http))?;
    // The handler's time starts here: a slow upload does not use it up.
    let arrived = Instant::now();
    arguments.with_body(request).await?;
    scoped.into_attempt(read, arrived).await.map_err(refuse)
}

/// Refuses a request that a layer around this handler has begun, whatever the mode: both would claim one
/// record, and where there is one writer the second transaction would wait for the first.
fn check_layers(head: &Parts) -> Result<(), Rejection> {
    if head.extensions.get::<UnderLayer>().is_none() {
        return Ok(());
    }
    tracing::error!(
        "a route has an `IdempotencyLayer` around another one or around `#[idempotent]`: remove one of them"
    );
    Err(Rejection::Misconfigured)
}

/// What the head of a request says before any extractor runs.
///
/// `operation` and `key` are results: whether their errors refuse the request depends on the mode.
struct NamedOperation<E> {
    engine: E,
    spec: Spec,
    head: Head,
    operation: Result<Operation, Rejection>,
    key: Result<Option<IdempotencyKey>, Rejection>,
    rule: RolloutRule,
}

impl<E: AttemptEngine> NamedOperation<E> {
    /// Reads the head and looks up the operation's rule.
    ///
    /// An operation without a name has the rule of all others, `*`. A method that only reads is an
    /// error in the key's place, except where every scope is in the mode `off`.
    async fn read(parts: &mut Parts, engine: E, spec: Spec, http: &HttpSettings) -> Self {
        let mut head = Head::read(parts);
        let key = head.key(&spec, http);
        head.read_path(parts).await;
        let operation = head.operation(&spec);
        let rule = engine
            .rollout()
            .rule(operation.as_ref().map_or("*", Operation::as_str));
        let key = match rule.most() {
            RolloutMode::Off => key,
            _ => head.check_method().and(key),
        };
        Self {
            engine,
            spec,
            head,
            operation,
            key,
            rule,
        }
    }

    /// Refuses a malformed key if every scope's mode does.
    fn check_key(&self) -> Result<(), Rejection> {
        match check_syntax(&self.key) {
            Err(why) if self.rule.least() >= RolloutMode::Validate => {
                count_refusal(&self.operation, &self.spec, self.rule.least(), why);
                Err(why)
            }
            _ => Ok(()),
        }
    }

    /// Adds the scope. A request without a complete name is refused if the mode refuses it.
    fn in_scope(
        self,
        mode: RolloutMode,
        scope: Result<Scope, Rejection>,
        http: &Arc<HttpSettings>,
    ) -> Result<ScopedRequest<E>, Rejection> {
        let name = NameParts {
            operation: self.operation,
            key: self.key,
            scope,
        };
        if mode >= RolloutMode::Validate {
            name.check()
                .inspect_err(|why| count_refusal(&name.operation, &self.spec, mode, *why))?;
        }
        Ok(ScopedRequest {
            engine: self.engine,
            http: Arc::clone(http),
            spec: self.spec,
            head: self.head,
            buffered: http.reserve(),
            name,
            mode,
        })
    }
}

/// A request whose scope and mode are known. From here on the mode does not change, whatever
/// becomes of the rollout's table meanwhile: an attempt ends in the mode that it began in.
struct ScopedRequest<E> {
    engine: E,
    http: Arc<HttpSettings>,
    spec: Spec,
    head: Head,
    name: NameParts,
    mode: RolloutMode,
    buffered: BodyReservation,
}

impl<E: AttemptEngine> ScopedRequest<E> {
    /// Returns the request, and its body if the mode needs it and all of it could be read.
    ///
    /// An observed request that can have no record is treated as in the mode `off`: its body would
    /// be buffered for nothing.
    async fn read_body(
        &mut self,
        parts: Parts,
        body: Body,
    ) -> Result<(Request, Option<Bytes>), Rejection> {
        let mode = match self.mode {
            RolloutMode::Observe | RolloutMode::Validate if !self.name.is_complete() => {
                RolloutMode::Off
            }
            mode => mode,
        };
        let (max_body, room) = (self.spec.max_body, &mut self.buffered);
        match mode {
            RolloutMode::Off => Ok((Request::from_parts(parts, body), None)),
            RolloutMode::Observe | RolloutMode::Validate => {
                Ok(peek_at(parts, body, max_body, room).await)
            }
            RolloutMode::Enforce => {
                let (request, body) = buffer(parts, body, max_body, &self.http, room)
                    .await
                    .inspect_err(|why| {
                        count_refusal(&self.name.operation, &self.spec, mode, *why);
                    })?;
                Ok((request, Some(body)))
            }
        }
    }

    /// Turns the request, complete since `arrived`, into an attempt.
    ///
    /// The handler's time begins at `arrived`, so a slow upload has used up none of it; the last
    /// extractor's own time and the fingerprint's count. The reservation of the body's bytes goes
    /// along, until the attempt begins or waits.
    ///
    /// # Errors
    ///
    /// In `enforce`, those of the fingerprint. In other modes they leave the attempt without a
    /// record.
    async fn into_attempt(
        self,
        body: Option<Bytes>,
        arrived: Instant,
    ) -> Result<PendingAttempt<E>, Rejection> {
        let Self {
            engine,
            http,
            spec,
            head,
            mode,
            buffered,
            name,
        } = self;
        let policy = spec.policy(engine.policy());
        let deadline = arrived + policy.timeout;
        let operation = name.operation.as_ref().ok().cloned();
        let name = match mode {
            RolloutMode::Off => Ok(None),
            _ => name.into_record_name(body.is_some()),
        };
        let (attempt, obstacle, buffered) = match name.map(|name| name.zip(body)) {
            Ok(Some((name, body))) => {
                match fingerprint(head, spec, body, buffered, deadline).await {
                    Ok((fingerprint, buffered)) => {
                        let attempt = Attempt {
                            name,
                            fingerprint,
                            policy,
                            deadline,
                        };
                        (Some(attempt), None, buffered)
                    }
                    Err(why) if mode == RolloutMode::Enforce => return Err(why),
                    Err(why) => (None, Some(why), http.reserve()),
                }
            }
            Ok(None) => (None, None, buffered),
            Err(why) => (None, Some(why), buffered),
        };
        Ok(PendingAttempt {
            engine,
            http,
            spec,
            mode,
            policy,
            arrived,
            buffered,
            deadline,
            operation,
            attempt,
            obstacle,
        })
    }
}
