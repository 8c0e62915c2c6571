//! A refusal as it is answered and stored: an RFC 9457 problem.
//!
//! ```text
//! HTTP/1.1 409 Conflict
//! content-type: application/problem+json
//! link: <urn:idem:problem:in-flight>; rel="describedby"
//! retry-after: 3
//!
//! {"type":"urn:idem:problem:in-flight","title":"…","status":409,"detail":"…","retryable":true}
//! ```
//!
//! `retryable` and `Retry-After` go together: whoever reads only headers learns the same. The time
//! is 1 to 4 whole seconds, chosen anew for each response.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use idem_core::Completion;

use crate::HttpSettings;
use crate::response::headers;
use crate::response::rejection::kind::Rejection;
use crate::response::rejection::texts::texts;

impl Rejection {
    /// The stable last part of the problem's `type`, such as `key-reused`. Clients and dashboards
    /// may compare it; it also stands in the attempt's span as `problem`.
    pub fn name(&self) -> &'static str {
        texts(*self).0
    }

    /// The response with this problem.
    ///
    /// For a layer or handler that refuses a request in the same form as Idem does.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::http::header::RETRY_AFTER;
    /// use idem_axum::{HttpSettings, Rejection};
    ///
    /// let http = HttpSettings::default();
    /// let response = Rejection::Overloaded.into_response(&http);
    /// assert_eq!(response.status(), 503);
    /// assert!(response.headers().contains_key(RETRY_AFTER));
    /// let response = Rejection::KeyReused.into_response(&http);
    /// assert!(!response.headers().contains_key(RETRY_AFTER));
    /// ```
    pub fn into_response(self, http: &HttpSettings) -> Response {
        let mut response = Response::new(Body::from(self.body(http)));
        *response.status_mut() = self.status();
        *response.headers_mut() = self.headers(http);
        response
    }

    /// The completion with this problem, for a rejection that retries get too.
    ///
    /// Only problems that are not retryable are stored, so no `Retry-After` is replayed for a day.
    pub(crate) fn into_completion(self, http: &HttpSettings) -> Completion {
        let lines = headers::encode(&self.headers(http), &http.unstored_headers);
        Completion::new(self.status().as_u16(), lines, self.body(http))
    }

    fn headers(self, http: &HttpSettings) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        let link = format!(
            "<{}{}>; rel=\"describedby\"",
            http.problem_base,
            self.name()
        );
        // A base that cannot stand in a header is in the body alone.
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
        if self == Self::ScopeMissing
            && let Some(challenge) = &http.challenge
            && let Ok(challenge) = HeaderValue::from_str(challenge.as_str())
        {
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.is_retryable() {
            // Jitter: clients that were refused together must not come back together.
            let seconds = fastrand::u64(1..=4);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers
    }

    fn body(self, http: &HttpSettings) -> Vec<u8> {
        let (name, title, detail) = texts(self);
        let detail = match self {
            Self::KeyInvalid(reason) => format!("{detail}: {reason}."),
            _ => detail.to_owned(),
        };
        let problem = serde_json::json!({
            "type": format!("{}{name}", http.problem_base),
            "title": title,
            "status": self.status().as_u16(),
            "detail": detail,
            "retryable": self.is_retryable(),
        });
        problem.to_string().into_bytes()
    }
}
