//! The arrival of a request: from its head to the handler's arguments.
//!
//! The order is fixed: the key's syntax, the handler's extractors that need no body
//! (authorisation), the scope, the body, the handler's last extractor. So nothing is replayed
//! without authorisation, and nobody unauthenticated makes the server buffer a body.
//!
//! The mode of its rollout says what of this refuses a request. Where it does not refuse, it is
//! only noted what stands in the way of an attempt with a record.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Version, header};
use axum::response::{IntoResponse, Response};
use idem_core::{
    Attempt, Buffered, IdempotencyKey, Operation, RecordName, RolloutMode, RolloutRule, Scope,
    Settings, metrics,
};
use tokio::time::Instant;

use crate::Rejection;
use crate::attempt::Arrived;
use crate::attempt::engine::Runtime;
use crate::extract::LastExtractor;
use crate::extract::head::{Head, buffer, look_at};
use crate::extract::scope::ScopeIn;
use crate::spec::Spec;

/// An attempt, and the handler's arguments.
pub type Taken<R, Extractors, Last> = (Arrived<R>, Extractors, Last);

/// What the record of an attempt is named by, as far as the request says it.
struct Named {
    operation: Result<Operation, Rejection>,
    key: Result<Option<IdempotencyKey>, Rejection>,
    scope: Result<Scope, Rejection>,
}

pub(crate) async fn take_apart<S, R, ScopeOf, Extractors, Last, Via>(
    request: Request,
    state: S,
    runtime: R,
    spec: &'static Spec,
    max_body: usize,
    key_required: bool,
) -> Result<Taken<R, Extractors, Last>, Response>
where
    S: Send + Sync,
    R: Runtime,
    ScopeOf: ScopeIn<S>,
    Extractors: FromRequestParts<S>,
    Last: LastExtractor<S, Via>,
{
    let settings = runtime.settings();
    let refuse = |rejection: Rejection| rejection.into_response(settings);
    let (mut parts, body) = request.into_parts();
    let version = parts.version;
    let mut head = Head::read(&parts);
    let key = head.key(settings, key_required);
    head.read_path(&mut parts).await;
    let operation = head.operation(spec);
    let rule = runtime
        .rollout()
        .rule(operation.as_ref().map_or("*", Operation::as_str));
    let key = match rule.most() {
        RolloutMode::Off => key,
        _ => head.check_method().and(key),
    };
    if let Err(why) = key
        && rule.least() >= RolloutMode::Validate
    {
        count(&operation, spec, rule.least(), why);
        return Err(refuse(why));
    }

    let extractors = Extractors::from_request_parts(&mut parts, &state).await;
    let extractors = extractors.map_err(IntoResponse::into_response)?;
    let early = Last::before_body(&mut parts, &state).await?;
    let (mode, scope) = scope_and_mode::<S, ScopeOf>(rule, &mut parts, &state).await;
    let refuses = mode >= RolloutMode::Validate;
    let scope = match scope {
        Err(Some(answer)) if refuses => return Err(answer),
        scope => scope.map_err(|_| Rejection::ScopeMissing),
    };
    let named = Named {
        operation,
        key,
        scope,
    };
    if refuses {
        named.refuse_nothing().map_err(|why| {
            count(&named.operation, spec, mode, why);
            refuse(why)
        })?;
    }
    let read_as = match mode {
        RolloutMode::Observe | RolloutMode::Validate if !named.has_all() => RolloutMode::Off,
        mode => mode,
    };
    let mut buffered = runtime.buffer();
    let (request, body) = read_body(read_as, parts, body, max_body, settings, &mut buffered)
        .await
        .map_err(|why| {
            count(&named.operation, spec, mode, why);
            unread(why, version, settings)
        })?;
    // How fast a client sends is none of its handler's business.
    let arrived = Instant::now();
    let last = match early {
        Some(last) => last,
        None => Last::after_body(request, &state).await?,
    };

    let policy = spec.policy(settings.policy);
    let operation = named.operation.as_ref().ok().cloned();
    let deadline = arrived + policy.timeout;
    let attempt = match mode {
        RolloutMode::Off => Ok(None),
        _ => named.into_record_name(body.is_some()),
    };
    let (name, in_the_way) = attempt.map_or_else(|why| (None, Some(why)), |name| (name, None));
    let attempt = name.zip(body).map(|(name, body)| Attempt {
        name,
        fingerprint: head.fingerprint(spec, &body),
        policy,
        deadline,
    });
    let arrived = Arrived {
        runtime,
        spec,
        mode,
        policy,
        arrived,
        buffered,
        deadline,
        operation,
        attempt,
        in_the_way,
    };
    Ok((arrived, extractors, last))
}

/// Counts a request that becomes no attempt for want of a key, or because there are too many.
fn count(operation: &Result<Operation, Rejection>, spec: &Spec, mode: RolloutMode, why: Rejection) {
    if matches!(why.outcome(), "key_missing" | "key_invalid") || why == Rejection::Overloaded {
        let operation = operation.as_ref().map_or(spec.item, Operation::as_str);
        metrics::attempt(operation, mode, why.outcome());
    }
}

/// The scope, or the answer of an extractor that has none. Where all scopes are in the mode `off`
/// nobody is asked for one.
async fn scope_and_mode<S, ScopeOf: ScopeIn<S>>(
    rule: RolloutRule,
    parts: &mut Parts,
    state: &S,
) -> (RolloutMode, Result<Scope, Option<Response>>) {
    if rule.most() == RolloutMode::Off {
        return (RolloutMode::Off, Err(None));
    }
    match ScopeOf::scope(parts, state).await {
        Ok(Ok(scope)) => (rule.mode(&scope), Ok(scope)),
        Ok(Err(_)) => (rule.least(), Err(None)),
        Err(answer) => (rule.least(), Err(Some(answer))),
    }
}

/// The answer to a request whose body was not read to its end.
fn unread(why: Rejection, version: Version, settings: &Settings) -> Response {
    tracing::debug!(problem = why.name(), "a body was not read");
    let mut answer = why.into_response(settings);
    if why == Rejection::BodyTimeout && version < Version::HTTP_2 {
        // The rest of the body is not waited for: RFC 9110, section 15.5.9.
        let close = HeaderValue::from_static("close");
        answer.headers_mut().insert(header::CONNECTION, close);
    }
    answer
}

/// The request again, and its body if its mode wants it and all of it has been read.
async fn read_body(
    mode: RolloutMode,
    parts: Parts,
    body: Body,
    max_body: usize,
    settings: &Settings,
    buffered: &mut Buffered,
) -> Result<(Request, Option<Bytes>), Rejection> {
    match mode {
        RolloutMode::Off => Ok((Request::from_parts(parts, body), None)),
        RolloutMode::Observe | RolloutMode::Validate => {
            Ok(look_at(parts, body, max_body, buffered).await)
        }
        RolloutMode::Enforce => {
            let (request, body) = buffer(parts, body, max_body, settings, buffered).await?;
            Ok((request, Some(body)))
        }
    }
}

impl Named {
    /// The first reason to refuse the request, if there is one.
    fn refuse_nothing(&self) -> Result<(), Rejection> {
        self.key.as_ref().map_err(|why| *why)?;
        self.scope.as_ref().map_err(|why| *why)?;
        self.operation.as_ref().map_err(|why| *why)?;
        Ok(())
    }

    /// Whether there can be a record.
    fn has_all(&self) -> bool {
        matches!(self.key, Ok(Some(_))) && self.scope.is_ok() && self.operation.is_ok()
    }

    /// None for a request without a key, where keys are optional. `Err`: there can be none.
    fn into_record_name(self, is_body_known: bool) -> Result<Option<RecordName>, Rejection> {
        let Some(key) = self.key? else {
            return Ok(None);
        };
        let name = RecordName {
            scope: self.scope?,
            operation: self.operation?,
            key,
        };
        match is_body_known {
            true => Ok(Some(name)),
            false => Err(Rejection::BodyTooLarge),
        }
    }
}
