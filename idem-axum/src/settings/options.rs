//! The options of a handle that are about HTTP, on its builder.

use std::time::Duration;

use axum::response::Response;
use idem_core::{Backend, IdempotencyBuilder, Policy};

use crate::Rejection;
use crate::body::budget::BodyBudget;
use crate::settings::challenge::Challenge;
use crate::settings::http::HttpSettings;

/// The options of an [`IdempotencyBuilder`] that are about HTTP.
///
/// They hold for every handler of the handle. What differs by operation, such as `max_response`, is
/// an option of [`#[idempotent]`](macro@crate::idempotent) too, and that one counts.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// use idem_axum::{HttpOptions, Idempotency};
///
/// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) -> Result<(), idem_axum::InvalidChallenge> {
/// let idem = Idempotency::builder(pool)
///     .ttl(Duration::from_secs(48 * 3600))
///     .problem_base("https://errors.example.com/idempotency/")
///     .challenge("Bearer realm=\"payments\"".parse()?)
///     .build();
/// # Ok(())
/// # }
/// ```
pub trait HttpOptions: Sealed + Sized {
    /// The field in which the key travels. Default `Idempotency-Key`.
    ///
    /// Use it if your clients already send a key in another field. A name that no field can have
    /// refuses all requests with 500 `misconfigured`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let idem = Idempotency::builder(pool).key_header("X-Payment-Id").build();
    /// # }
    /// ```
    #[must_use]
    fn key_header(self, name: &str) -> Self {
        self.change(|http| http.key_header = name.to_ascii_lowercase().into())
    }

    /// Accepts only the quoted form of a key, `"8e03978e"`, as the draft has it.
    ///
    /// Without this option the bare form is accepted too, since many clients send it. `"8e03978e"`
    /// and `8e03978e` are then the same key.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let idem = Idempotency::builder(pool).strict_keys().build();
    /// # }
    /// ```
    #[must_use]
    fn strict_keys(self) -> Self {
        self.change(|http| http.strict_keys = true)
    }

    /// What the `type` of a problem begins with. Default `urn:idem:problem:`.
    ///
    /// Give the address of your documentation: `type` and the `Link` of a problem then lead there.
    /// [`Rejection::ALL`](crate::Rejection::ALL) lists the pages that it needs.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let base = "https://errors.example.com/idempotency/";
    /// let idem = Idempotency::builder(pool).problem_base(base).build();
    /// # }
    /// ```
    #[must_use]
    fn problem_base(self, base: &str) -> Self {
        self.change(|http| http.problem_base = base.into())
    }

    /// Makes the response of a refusal, in the form of the application's own errors. Default: the
    /// problem document of RFC 9457.
    ///
    /// [`Rejection`] says what to answer: [`status`](Rejection::status), [`name`](Rejection::name),
    /// [`title`](Rejection::title), [`detail`](Rejection::detail) and
    /// [`is_retryable`](Rejection::is_retryable). Keep the status, which clients and proxies know.
    /// `Retry-After` and `WWW-Authenticate` are added where they belong and are not set; a refusal
    /// that retries get too is stored as it is rendered, if its body needs no waiting.
    ///
    /// If the function panics, the log says so and the client gets the problem document.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use axum::Json;
    /// use axum::response::IntoResponse;
    /// use idem_axum::{HttpOptions, Idempotency, Rejection};
    /// use serde_json::json;
    ///
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let as_ours = |why: Rejection| {
    ///     let error = json!({ "code": why.name(), "message": why.detail() });
    ///     (why.status(), Json(json!({ "error": error }))).into_response()
    /// };
    /// let idem = Idempotency::builder(pool).render(as_ours).build();
    /// # }
    /// ```
    #[must_use]
    fn render(self, render: impl Fn(Rejection) -> Response + Send + Sync + 'static) -> Self {
        self.change(|http| http.render = Some(Box::new(render)))
    }

    /// Where the application publishes its idempotency policy. Default none.
    ///
    /// Problems link to it, with the relation `service-doc` ([RFC 8631]) beside the `describedby` of
    /// their `type`. The features `policies` and `utoipa` make the page from the attributes.
    ///
    /// [RFC 8631]: https://www.rfc-editor.org/rfc/rfc8631#section-4.1
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let url = "https://api.example.com/idempotency";
    /// let idem = Idempotency::builder(pool).policy_url(url).build();
    /// # }
    /// ```
    #[must_use]
    fn policy_url(self, url: &str) -> Self {
        self.change(|http| http.policy_url = Some(url.into()))
    }

    /// A header that is never stored, beside those that never are.
    ///
    /// Use it for a header that carries credentials and has no standard to say so, such as
    /// `x-auth-token`. The first response has it, a replay does not.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let idem = Idempotency::builder(pool).unstored_header("X-Auth-Token").build();
    /// # }
    /// ```
    #[must_use]
    fn unstored_header(self, name: &str) -> Self {
        self.change(|http| http.unstored_headers.push(name.to_ascii_lowercase().into()))
    }

    /// The `WWW-Authenticate` of 401 `scope-missing`. Default none.
    ///
    /// [RFC 9110, section 11.6.1] asks for one in every 401, and only the application knows how its
    /// clients authenticate. A scope's own rejection is sent as it is.
    ///
    /// [RFC 9110, section 11.6.1]: https://www.rfc-editor.org/rfc/rfc9110#section-11.6.1
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let challenge = "Bearer realm=\"payments\"".parse().expect("a challenge");
    /// let idem = Idempotency::builder(pool).challenge(challenge).build();
    /// # }
    /// ```
    #[must_use]
    fn challenge(self, challenge: Challenge) -> Self {
        self.change(|http| http.challenge = Some(challenge))
    }

    /// The longest response that is stored, headers and body together, in bytes. Default 1 MiB.
    ///
    /// A longer response becomes 500 `response-not-storable`, and its writes are rolled back.
    /// Trailers count too, though they are not stored: the first response has them, a replay does
    /// not.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let idem = Idempotency::builder(pool).max_response(64 << 10).build();
    /// # }
    /// ```
    #[must_use]
    fn max_response(self, bytes: usize) -> Self {
        self.change(|http| http.max_response = bytes)
    }

    /// How long reading a request's body may take in all; held within 10 milliseconds and one hour.
    /// Default 30 seconds.
    ///
    /// A slower request gets 408 `body-timeout`, and its key stays free. One limit for the whole
    /// body ends a client that stands still and one that sends a byte now and then. It begins once
    /// the extractors that need no body have agreed, and ends when the body is there; the attempt's
    /// [`timeout`](IdempotencyBuilder::timeout) begins then. A body of 2 MiB needs 70 KB/s to be
    /// there within 30 seconds.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let limit = std::time::Duration::from_secs(10);
    /// let idem = Idempotency::builder(pool).body_timeout(limit).build();
    /// # }
    /// ```
    #[must_use]
    fn body_timeout(self, timeout: Duration) -> Self {
        self.change(|http| {
            http.body_timeout = timeout.clamp(Policy::MIN_TIMEOUT, Policy::MAX_TIMEOUT);
        })
    }

    /// How many bytes of request bodies this node may hold while they are read. Default 64 MiB.
    ///
    /// A request whose body finds no room gets 503 `overloaded`; one whose body is longer than all
    /// of this gets 413, whatever its operation's `max_body` is.
    ///
    /// Bytes are counted as they arrive, since memory is what runs out: an upload that is announced
    /// and does not come holds nothing back. Each body counts for at least 1 KiB, which bounds
    /// their number too. A body is counted until its attempt begins or waits; from then on
    /// [`max_attempts`](IdempotencyBuilder::max_attempts) and
    /// [`max_waiting`](IdempotencyBuilder::max_waiting) bound it.
    ///
    /// The bytes are not divided among tenants. A client that is authenticated and sends as many as
    /// there are keeps other bodies out, for [`body_timeout`](Self::body_timeout) at most and then
    /// again. A proxy that buffers requests helps against that, or a limit per client. The modes
    /// that do not enforce refuse nothing: such a body is passed on unread, and leaves no record.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_axum::{HttpOptions, Idempotency};
    /// # fn build(pool: sqlx::Pool<impl idem_axum::Backend>) {
    /// let idem = Idempotency::builder(pool).max_buffered_bytes(256 << 20).build();
    /// # }
    /// ```
    #[must_use]
    fn max_buffered_bytes(self, bytes: usize) -> Self {
        self.change(|http| http.bodies = BodyBudget::new(bytes))
    }
}

impl<DB: Backend> HttpOptions for IdempotencyBuilder<DB> {}

/// Only the builder has these options.
#[expect(unnameable_types, reason = "it seals the trait above")]
pub trait Sealed {
    /// Changes the settings that are built.
    #[must_use]
    fn change(self, change: impl FnOnce(&mut HttpSettings)) -> Self;
}

impl<DB: Backend> Sealed for IdempotencyBuilder<DB> {
    fn change(self, change: impl FnOnce(&mut HttpSettings)) -> Self {
        self.extend(change)
    }
}
