//! Turns a request into an attempt and the handler's arguments.
//!
//! The order is fixed: the key's syntax, the handler's extractors that need no body
//! (authorisation), the scope, the body, the handler's last extractor. So a replay needs
//! authorisation, and an unauthenticated client cannot make the server buffer a body.
//!
//! The rollout mode decides which of these steps may refuse the request. In a mode that does not
//! refuse, the attempt keeps the reason why it can have no record.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Version, header};
use axum::response::{IntoResponse, Response};
use idem_core::{Attempt, IdempotencyKey, Operation, RolloutMode, RolloutRule, Scope};
use tokio::time::Instant;

use crate::attempt::PendingAttempt;
use crate::attempt::engine::AttemptEngine;
use crate::body::budget::BodyReservation;
use crate::extract::body::{buffer, peek_at};
use crate::extract::head::Head;
use crate::extract::last::LastExtractor;
use crate::extract::name::{NameParts, count_refusal, scope_and_mode};
use crate::extract::scope::ScopeIn;
use crate::spec::Spec;
use crate::{HttpSettings, Rejection};

/// An attempt, and the handler's arguments.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "only the attribute's own code takes it apart"
)]
pub struct PreparedRequest<E, Extractors, Last> {
    /// The attempt that runs the handler.
    pub attempt: PendingAttempt<E>,
    /// The values of the extractors that need no body.
    pub parts: Extractors,
    /// The value of the last extractor.
    pub last: Last,
}

/// Runs the handler's extractors in Idem's order.
pub(crate) async fn prepare<S, E, ScopeOf, Extractors, Last, Via>(
    request: Request,
    state: S,
    engine: E,
    spec: &'static Spec,
) -> Result<PreparedRequest<E, Extractors, Last>, Response>
where
    S: Send + Sync,
    E: AttemptEngine,
    ScopeOf: ScopeIn<S>,
    Extractors: FromRequestParts<S>,
    Last: LastExtractor<S, Via>,
{
    let http = engine.http();
    let refuse = |why: Rejection| why.into_response(&http);
    let (mut head, body) = request.into_parts();
    let version = head.version;
    let named = NamedOperation::read(&mut head, engine, spec, &http).await;
    named.check_key().map_err(refuse)?;
    let parts = Extractors::from_request_parts(&mut head, &state).await;
    let parts = parts.map_err(IntoResponse::into_response)?;
    let early = Last::before_body(&mut head, &state).await?;
    let (mode, scope) = scope_and_mode::<S, ScopeOf>(named.rule, &mut head, &state).await?;
    let mut scoped = named.in_scope(mode, scope, &http).map_err(refuse)?;
    let (request, read) = scoped
        .read_body(head, body)
        .await
        .map_err(|why| unread(why, version, &http))?;
    // The handler's time starts here: a slow upload does not use it up.
    let arrived = Instant::now();
    let last = match early {
        Some(last) => last,
        None => Last::after_body(request, &state).await?,
    };
    let attempt = scoped.into_attempt(read, arrived);
    Ok(PreparedRequest {
        attempt,
        parts,
        last,
    })
}

/// What the head of a request says before any extractor runs.
struct NamedOperation<E> {
    engine: E,
    spec: &'static Spec,
    head: Head,
    operation: Result<Operation, Rejection>,
    key: Result<Option<IdempotencyKey>, Rejection>,
    rule: RolloutRule,
}

impl<E: AttemptEngine> NamedOperation<E> {
    async fn read(parts: &mut Parts, engine: E, spec: &'static Spec, http: &HttpSettings) -> Self {
        let mut head = Head::read(parts);
        let key = head.key(spec, http);
        head.read_path(parts).await;
        let operation = head.operation(spec);
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

    /// Refuses a wrong key if every scope's mode does.
    fn check_key(&self) -> Result<(), Rejection> {
        match self.key {
            Err(why) if self.rule.least() >= RolloutMode::Validate => {
                count_refusal(&self.operation, self.spec, self.rule.least(), why);
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
                .inspect_err(|why| count_refusal(&name.operation, self.spec, mode, *why))?;
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

/// A request whose scope and mode are known.
struct ScopedRequest<E> {
    engine: E,
    http: Arc<HttpSettings>,
    spec: &'static Spec,
    head: Head,
    name: NameParts,
    mode: RolloutMode,
    buffered: BodyReservation,
}

impl<E: AttemptEngine> ScopedRequest<E> {
    /// Returns the request, and its body if the mode needs it and all of it could be read.
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
                        count_refusal(&self.name.operation, self.spec, mode, *why);
                    })?;
                Ok((request, Some(body)))
            }
        }
    }

    /// Turns the request, complete since `arrived`, into an attempt.
    fn into_attempt(self, body: Option<Bytes>, arrived: Instant) -> PendingAttempt<E> {
        let Self {
            engine,
            http,
            spec,
            mode,
            buffered,
            ..
        } = self;
        let policy = spec.policy(engine.policy());
        let deadline = arrived + policy.timeout;
        let operation = self.name.operation.as_ref().ok().cloned();
        let name = match mode {
            RolloutMode::Off => Ok(None),
            _ => self.name.into_record_name(body.is_some()),
        };
        let (name, obstacle) = name.map_or_else(|why| (None, Some(why)), |name| (name, None));
        let attempt = name.zip(body).map(|(name, body)| Attempt {
            name,
            fingerprint: self.head.fingerprint(spec, &body),
            policy,
            deadline,
        });
        PendingAttempt {
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
        }
    }
}

/// The response to a request whose body was not read to its end.
fn unread(why: Rejection, version: Version, http: &HttpSettings) -> Response {
    tracing::debug!(problem = why.name(), "the request body was not read");
    let mut answer = why.into_response(http);
    if why == Rejection::BodyTimeout && version < Version::HTTP_2 {
        // Nobody reads the rest of the body: RFC 9110, section 15.5.9.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer
}
