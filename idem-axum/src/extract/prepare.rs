//! From a request to an attempt and the handler's arguments.
//!
//! The order is fixed: the key's syntax, the handler's extractors that need no body
//! (authorisation), the scope, the body, the handler's last extractor. So nothing is replayed
//! without authorisation, and nobody unauthenticated makes the server buffer a body.
//!
//! The rollout mode decides which of these steps may refuse the request. In a mode that does not
//! refuse, the attempt only remembers what stands in the way of a record.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Version, header};
use axum::response::{IntoResponse, Response};
use idem_core::{
    Attempt, Buffered, IdempotencyKey, Operation, RolloutMode, RolloutRule, Scope, Settings,
};
use tokio::time::Instant;

use crate::Rejection;
use crate::attempt::PendingAttempt;
use crate::attempt::engine::AttemptEngine;
use crate::extract::body::{buffer, peek_at};
use crate::extract::head::Head;
use crate::extract::last::LastExtractor;
use crate::extract::name::{NameParts, count_refusal, scope_and_mode};
use crate::extract::scope::ScopeIn;
use crate::spec::Spec;

/// An attempt, and the handler's arguments.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "only the attribute's own code takes it apart"
)]
pub struct PreparedRequest<E, Extractors, Last> {
    /// The attempt that runs the handler.
    pub attempt: PendingAttempt<E>,
    /// What the extractors have made that need no body.
    pub parts: Extractors,
    /// What the last extractor has made.
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
    let (mut head, body) = request.into_parts();
    let named = NamedOperation::read(&mut head, engine, spec).await?;
    let parts = Extractors::from_request_parts(&mut head, &state).await;
    let parts = parts.map_err(IntoResponse::into_response)?;
    let early = Last::before_body(&mut head, &state).await?;
    let (mode, scope) = scope_and_mode::<S, ScopeOf>(named.rule, &mut head, &state).await;
    let mut scoped = named.in_scope(mode, scope)?;
    let (request, read) = scoped.read_body(head, body).await?;
    // How fast a client sends is none of its handler's business.
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
    version: Version,
    head: Head,
    operation: Result<Operation, Rejection>,
    key: Result<Option<IdempotencyKey>, Rejection>,
    rule: RolloutRule,
}

impl<E: AttemptEngine> NamedOperation<E> {
    /// Reads the head. A wrong key is refused here if every scope's mode refuses it.
    async fn read(parts: &mut Parts, engine: E, spec: &'static Spec) -> Result<Self, Response> {
        let mut head = Head::read(parts);
        let key = head.key(spec, engine.settings());
        head.read_path(parts).await;
        let operation = head.operation(spec);
        let rule = engine
            .rollout()
            .rule(operation.as_ref().map_or("*", Operation::as_str));
        let key = match rule.most() {
            RolloutMode::Off => key,
            _ => head.check_method().and(key),
        };
        if let Err(why) = key
            && rule.least() >= RolloutMode::Validate
        {
            count_refusal(&operation, spec, rule.least(), why);
            return Err(why.into_response(engine.settings()));
        }
        Ok(Self {
            engine,
            spec,
            version: parts.version,
            head,
            operation,
            key,
            rule,
        })
    }

    /// Adds the scope. A request without a complete name is refused here if the mode refuses it.
    fn in_scope(
        self,
        mode: RolloutMode,
        scope: Result<Scope, Option<Response>>,
    ) -> Result<ScopedRequest<E>, Response> {
        let refuses = mode >= RolloutMode::Validate;
        let scope = match scope {
            Err(Some(answer)) if refuses => return Err(answer),
            scope => scope.map_err(|_| Rejection::ScopeMissing),
        };
        let name = NameParts {
            operation: self.operation,
            key: self.key,
            scope,
        };
        if refuses {
            name.check().map_err(|why| {
                count_refusal(&name.operation, self.spec, mode, why);
                why.into_response(self.engine.settings())
            })?;
        }
        Ok(ScopedRequest {
            buffered: self.engine.buffer(),
            engine: self.engine,
            spec: self.spec,
            version: self.version,
            head: self.head,
            name,
            mode,
        })
    }
}

/// A request whose scope and mode are known.
struct ScopedRequest<E> {
    engine: E,
    spec: &'static Spec,
    version: Version,
    head: Head,
    name: NameParts,
    mode: RolloutMode,
    buffered: Buffered,
}

impl<E: AttemptEngine> ScopedRequest<E> {
    /// The request again, and its body if the mode needs the body and all of it could be read.
    async fn read_body(
        &mut self,
        parts: Parts,
        body: Body,
    ) -> Result<(Request, Option<Bytes>), Response> {
        let mode = match self.mode {
            RolloutMode::Observe | RolloutMode::Validate if !self.name.is_complete() => {
                RolloutMode::Off
            }
            mode => mode,
        };
        let (settings, max_body) = (self.engine.settings(), self.spec.max_body);
        let room = &mut self.buffered;
        match mode {
            RolloutMode::Off => Ok((Request::from_parts(parts, body), None)),
            RolloutMode::Observe | RolloutMode::Validate => {
                Ok(peek_at(parts, body, max_body, room).await)
            }
            RolloutMode::Enforce => match buffer(parts, body, max_body, settings, room).await {
                Ok((request, body)) => Ok((request, Some(body))),
                Err(why) => {
                    count_refusal(&self.name.operation, self.spec, mode, why);
                    Err(unread(why, self.version, settings))
                }
            },
        }
    }

    /// The attempt, whose request arrived whole at that time.
    fn into_attempt(self, body: Option<Bytes>, arrived: Instant) -> PendingAttempt<E> {
        let Self {
            engine,
            spec,
            mode,
            buffered,
            ..
        } = self;
        let policy = spec.policy(engine.settings().policy);
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

/// The answer to a request whose body was not read to its end.
fn unread(why: Rejection, version: Version, settings: &Settings) -> Response {
    tracing::debug!(problem = why.name(), "the request body was not read");
    let mut answer = why.into_response(settings);
    if why == Rejection::BodyTimeout && version < Version::HTTP_2 {
        // The rest of the body is not waited for: RFC 9110, section 15.5.9.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer
}
