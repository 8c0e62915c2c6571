//! The policies of all operations, as they are published.

use idem_core::{Backend, Idempotency, IdempotencyKey, Rollout};
use serde::Serialize;

use crate::HttpSettings;
use crate::policies::check::{InvalidOperations, safe_operations, warn_of_unknown_rules};
use crate::policies::operation::OperationPolicy;
use crate::policies::registry::RegisteredHandler;
use crate::response::headers::REPLAYED;

/// The idempotency policy of a program: how a key is sent, and what each operation promises.
///
/// [`PublishPolicies`](crate::PublishPolicies) makes it. Serve it as JSON, since it is
/// [`Serialize`], and as a page by [`to_html`](Self::to_html): sections 2.3 and 2.5.2 of
/// [draft-ietf-httpapi-idempotency-key-header-07] ask a service to publish it, and
/// [`HttpOptions::policy_url`](crate::HttpOptions::policy_url) links problems to it.
///
/// It lists each handler with `#[idempotent]` that is linked into the program, also one that is
/// not routed. Remove what is not public: `policies.operations.retain(…)`.
///
/// [draft-ietf-httpapi-idempotency-key-header-07]:
///     https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-idempotency-key-header-07
///
/// # Examples
///
/// ```no_run
/// use axum::response::Html;
/// use axum::routing::get;
/// use axum::{Json, Router};
/// use idem_axum::{Backend, Idempotency, PublishPolicies};
///
/// fn routes<DB: Backend>(idem: &Idempotency<DB>) -> Router {
///     let policies = idem.policies();
///     let page = policies.to_html("Idempotency of the payments API");
///     Router::new()
///         .route("/idempotency", get(async move || Html(page.clone())))
///         .route("/idempotency.json", get(async move || Json(policies.clone())))
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Policies {
    /// How a key is sent.
    pub key: KeyFormat,
    /// The header that marks a replay.
    pub replayed_header: String,
    /// What the `type` of a problem begins with.
    pub problem_base: String,
    /// Where this policy is published, as the handle knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy_url: Option<String>,
    /// The operations, in the order of their titles.
    pub operations: Vec<OperationPolicy>,
}

/// How an idempotency key is sent.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct KeyFormat {
    /// The header field, as it is usually written: `Idempotency-Key`.
    pub header: String,
    /// The shortest key, in characters, without its quotes.
    pub min_length: usize,
    /// The longest key, in characters, without its quotes.
    pub max_length: usize,
    /// A regular expression for the field's value.
    pub pattern: &'static str,
    /// Whether only the quoted form is accepted.
    pub quoted_only: bool,
}

impl Policies {
    /// Those of a handle, and of all handlers of the program.
    pub(crate) fn of<DB: Backend>(idem: &Idempotency<DB>) -> Self {
        let http = HttpSettings::of(idem);
        let handlers = RegisteredHandler::all();
        let defaults = idem.settings().policy;
        let operations = handlers
            .iter()
            .map(|handler| OperationPolicy::of(handler, defaults, &http));
        let mut policies = Self {
            key: KeyFormat::of(&http),
            replayed_header: usual_case(REPLAYED.as_str()),
            problem_base: http.problem_base.to_string(),
            policy_url: http.policy_url.as_deref().map(str::to_owned),
            operations: operations.collect(),
        };
        policies.sort();
        policies
    }

    /// The operations without a name: they have no option `operation`, and no OpenAPI operation.
    ///
    /// Their names are known only once they are routed.
    pub fn unnamed(&self) -> impl Iterator<Item = &OperationPolicy> {
        let operations = self.operations.iter();
        operations.filter(|operation| operation.names.is_empty())
    }

    /// Looks for mistakes that only the whole program shows. Call it when the program starts.
    ///
    /// A rule of the rollout plan that names no operation is a warning in the log, with the names
    /// that are near. It is given only if the names of all operations are known.
    ///
    /// # Errors
    ///
    /// Operations that are documented as `GET`, `HEAD` or `OPTIONS`. Each request of such a route
    /// gets 500 `misconfigured`.
    pub fn check(&self, rollout: &Rollout) -> Result<(), InvalidOperations> {
        warn_of_unknown_rules(&self.operations, &rollout.plan());
        safe_operations(&self.operations)
    }

    /// Puts the operations in the order of their titles.
    pub(crate) fn sort(&mut self) {
        self.operations.sort_by_cached_key(OperationPolicy::title);
    }
}

impl KeyFormat {
    pub(crate) fn of(http: &HttpSettings) -> Self {
        Self {
            header: usual_case(&http.key_header),
            min_length: 1,
            max_length: IdempotencyKey::MAX_LEN,
            pattern: match http.strict_keys {
                true => QUOTED,
                false => QUOTED_OR_BARE,
            },
            quoted_only: http.strict_keys,
        }
    }

    /// The shortest and the longest value of the field.
    #[cfg(feature = "utoipa")]
    pub(crate) fn value_lengths(&self) -> (usize, usize) {
        let quotes = "\"\"".len();
        match self.quoted_only {
            true => (self.min_length + quotes, self.max_length + quotes),
            false => (self.min_length, self.max_length + quotes),
        }
    }
}

/// What a client sends. Idem also accepts a Structured Field's escapes and parameters, which no
/// client needs.
const QUOTED: &str = r#"^"[ !#-\[\]-~]{1,255}"$"#;
const QUOTED_OR_BARE: &str = r#"^("[ !#-\[\]-~]{1,255}"|[!#-+\--~]{1,255})$"#;

/// `idempotency-key` as `Idempotency-Key`.
pub(crate) fn usual_case(header: &str) -> String {
    let words = header.split('-').map(|word| {
        let mut letters = word.chars();
        let first = letters.next().map(|first| first.to_ascii_uppercase());
        first.into_iter().chain(letters).collect::<String>()
    });
    words.collect::<Vec<_>>().join("-")
}
