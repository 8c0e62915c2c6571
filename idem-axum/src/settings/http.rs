//! What of a handle's settings is about HTTP.
//!
//! They are in one `Arc` per handle, with the budget of bodies that all its requests share.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;
use idem_core::{Backend, Engine, Extension, Idempotency, metrics};

use crate::Rejection;
use crate::body::budget::{BodyBudget, BodyReservation};
use crate::settings::challenge::Challenge;

/// The settings of a handle that are about HTTP, as [`HttpOptions`](crate::HttpOptions) set them.
///
/// Read them where a part of the application must agree with Idem: a CORS layer that allows the
/// key's header, or a response of its own that is a [`Rejection`](crate::Rejection).
///
/// # Examples
///
/// ```no_run
/// use idem_axum::{HttpOptions, HttpSettings, Idempotency};
///
/// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
/// let idem = Idempotency::builder(pool).key_header("X-Request-Key").build();
/// assert_eq!(&*HttpSettings::of(&idem).key_header, "x-request-key");
/// # }
/// ```
#[non_exhaustive]
pub struct HttpSettings {
    /// The field in which the key travels, in lower case. Default `idempotency-key`.
    pub key_header: Box<str>,
    /// Whether only the quoted form of a key is accepted. Default no.
    pub strict_keys: bool,
    /// What the `type` of a problem begins with. Default `urn:idem:problem:`.
    pub problem_base: Box<str>,
    /// Where the idempotency policy is published, for the `Link` of problems. Default none.
    pub policy_url: Option<Box<str>>,
    /// Headers that are never stored, in lower case, beside those that never are.
    pub unstored_headers: Vec<Box<str>>,
    /// The `WWW-Authenticate` of 401 `scope-missing`. Default none.
    pub challenge: Option<Challenge>,
    /// The longest answer that is stored, headers and body together, in bytes. Default 1 MiB.
    pub max_response: usize,
    /// How long reading a request's body may take. Default 30 seconds.
    pub body_timeout: Duration,
    /// Makes the response of a refusal; `None` is the problem document.
    pub(crate) render: Option<Box<RenderRejection>>,
    pub(crate) bodies: BodyBudget,
}

/// The application's own form of a refusal.
pub(crate) type RenderRejection = dyn Fn(Rejection) -> Response + Send + Sync;

impl HttpSettings {
    /// Those of a handle.
    pub fn of<DB: Backend>(idem: &Idempotency<DB>) -> Arc<Self> {
        Engine::extension(idem)
    }

    /// How many bytes of request bodies this node may hold while they are read. Default 64 MiB.
    pub fn max_buffered_bytes(&self) -> usize {
        self.bodies.bytes()
    }

    /// How many bytes of request bodies are being read on this node now.
    ///
    /// A body counts until its attempt begins or waits. The gauge of the feature `metrics` has the
    /// same number.
    pub fn buffered_bytes(&self) -> usize {
        self.bodies.taken()
    }

    /// Takes bytes as a body that is read does. Not part of the public API.
    #[doc(hidden)]
    pub fn reserve(&self) -> BodyReservation {
        self.bodies.reserve()
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            key_header: "idempotency-key".into(),
            strict_keys: false,
            problem_base: "urn:idem:problem:".into(),
            policy_url: None,
            unstored_headers: Vec::new(),
            challenge: None,
            max_response: 1 << 20,
            body_timeout: Duration::from_secs(30),
            render: None,
            bodies: BodyBudget::new(64 << 20),
        }
    }
}

impl Extension for HttpSettings {
    fn update_gauges(&self) {
        metrics::buffered(self.buffered_bytes());
    }
}

impl fmt::Debug for HttpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSettings")
            .field("key_header", &self.key_header)
            .field("max_response", &self.max_response)
            .field("max_buffered_bytes", &self.max_buffered_bytes())
            .field("body_timeout", &self.body_timeout)
            .finish_non_exhaustive()
    }
}
