//! The policy of one operation.

use std::fmt;
use std::time::Duration;

use idem_core::{FingerprintBy, LateRetries, Policy, WhileRunning};
use serde::{Serialize, Serializer};

use crate::HttpSettings;
use crate::extract::head::erased;
use crate::policies::registry::RegisteredHandler;

/// What a client can rely on when it retries one operation.
///
/// It has the options of the attribute, and the handle's defaults for those that are not given. The
/// rollout mode is not in it: a mode below `enforce` is a state on the way to this policy.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct OperationPolicy {
    /// The operation's names in records, metrics and rollout plans. Empty if they are not known.
    ///
    /// The option `operation` is the one name. Without it each route has a name of its own, and only
    /// the OpenAPI document tells the routes. A prefix that only the router knows is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// The routes, as far as the OpenAPI document has them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// The path of the handler's function. It is for operators, and not published.
    #[serde(skip)]
    pub handler: &'static str,
    /// Whether a request without a key is refused.
    pub key: KeyRule,
    /// Within what a key is unique, such as `tenant`: as the attribute has it, or `global`.
    pub scope: &'static str,
    /// How long a stored response is replayed.
    #[serde(rename = "ttl_seconds", serialize_with = "as_seconds")]
    pub ttl: Duration,
    /// How long after that a key is still refused, with 422. Zero: it is a new one.
    #[serde(rename = "refused_after_ttl_seconds", serialize_with = "as_seconds")]
    pub refused_after_ttl: Duration,
    /// What must not differ between two requests with one key.
    pub compared: Vec<String>,
    /// The statuses whose responses are stored and replayed. After any other the key is free.
    pub stored: Vec<String>,
    /// How long a duplicate waits while the first attempt runs. Zero: it gets 409 at once.
    #[serde(rename = "in_flight_wait_seconds", serialize_with = "as_seconds")]
    pub in_flight_wait: Duration,
    /// How long an attempt may take. It is stopped then, and answered with 503.
    #[serde(rename = "timeout_seconds", serialize_with = "as_seconds")]
    pub timeout: Duration,
    /// The longest request body in bytes. `None` is the limit of the route.
    #[serde(rename = "max_body_bytes", skip_serializing_if = "Option::is_none")]
    pub max_body: Option<u64>,
    /// The longest response in bytes, headers and body together.
    #[serde(rename = "max_response_bytes")]
    pub max_response: usize,
    /// Whether the option `operation` names it.
    #[serde(skip)]
    pub(crate) is_named: bool,
}

/// Whether an operation asks for a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum KeyRule {
    /// A request without a key gets 400.
    Required,
    /// A request without a key runs unprotected.
    Optional,
}

/// A method and a path of an OpenAPI document, such as `POST /payments/{id}/refunds`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub struct Route {
    /// Such as `POST`.
    pub method: &'static str,
    /// With the names of its parameters.
    pub path: String,
}

impl OperationPolicy {
    /// The policy of a handler, with the routes that its `#[utoipa::path]` has.
    pub(crate) fn of(handler: &RegisteredHandler, defaults: Policy, http: &HttpSettings) -> Self {
        let spec = handler.spec;
        let policy = spec.policy(defaults);
        let key = match spec.key_required {
            true => KeyRule::Required,
            false => KeyRule::Optional,
        };
        let in_flight_wait = match policy.while_running {
            WhileRunning::Wait(limit) => limit,
            _ => Duration::ZERO,
        };
        let mut operation = Self {
            names: spec.operation.into_iter().map(str::to_owned).collect(),
            routes: Vec::new(),
            handler: spec.item,
            key,
            scope: handler.scope,
            ttl: policy.ttl,
            refused_after_ttl: match policy.late_retries {
                LateRetries::Refuse(time) => time,
                _ => Duration::ZERO,
            },
            compared: compared(handler),
            stored: spec.stored_statuses(),
            in_flight_wait,
            timeout: policy.timeout,
            max_body: spec.max_body,
            max_response: spec.max_response.unwrap_or(http.max_response),
            is_named: spec.operation.is_some(),
        };
        operation.set_routes(documented_routes(handler), false);
        operation
    }

    /// What to call it: its names, or else its function.
    pub fn title(&self) -> String {
        match self.names.is_empty() {
            true => self.handler.to_owned(),
            false => self.names.join(", "),
        }
    }

    /// Adds its routes, and the names that these give.
    ///
    /// axum leaves out the `/` of a nested root, `utoipa` writes it.
    pub(crate) fn set_routes(&mut self, mut routes: Vec<Route>, are_nested_roots: bool) {
        routes.sort();
        routes.dedup();
        if !self.is_named {
            let names = routes.iter().map(Route::operation_name);
            let names = names.map(|name| match are_nested_roots && !name.ends_with(" /") {
                true => name.trim_end_matches('/').to_owned(),
                false => name,
            });
            self.names = names.collect();
        }
        self.routes = routes;
    }
}

impl Route {
    /// The operation's name for a request of this route.
    fn operation_name(&self) -> String {
        format!("{} {}", self.method, erased(&self.path))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

impl Serialize for Route {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "utoipa")]
fn documented_routes(handler: &RegisteredHandler) -> Vec<Route> {
    let Some(documented) = handler.documented.and_then(|read| read()) else {
        return Vec::new();
    };
    let route = |method| Route {
        method,
        path: documented.path.clone(),
    };
    documented.methods.iter().copied().map(route).collect()
}

#[cfg(not(feature = "utoipa"))]
fn documented_routes(_: &RegisteredHandler) -> Vec<Route> {
    Vec::new()
}

/// The parts of a request that make its fingerprint.
fn compared(handler: &RegisteredHandler) -> Vec<String> {
    let spec = handler.spec;
    let body = match spec.fingerprint {
        FingerprintBy::Json => "body (as JSON)",
        // The function alone decides, whatever it reads.
        FingerprintBy::Custom(..) => return vec!["what the service selects".to_owned()],
        _ => "body",
    };
    let path = match spec.operation {
        Some(_) => "path parameters",
        None => "path",
    };
    let parts = ["method", path, "query", "header content-type"];
    let headers = spec.fingerprint_headers.iter();
    let headers = headers.map(|name| format!("header {name}"));
    let mut compared: Vec<_> = parts
        .map(str::to_owned)
        .into_iter()
        .chain(headers)
        .collect();
    compared.push(body.to_owned());
    compared
}

/// Whole seconds as an integer.
fn as_seconds<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    match time.subsec_nanos() {
        0 => serializer.serialize_u64(time.as_secs()),
        _ => serializer.serialize_f64(time.as_secs_f64()),
    }
}
