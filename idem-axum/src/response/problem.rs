//! A refusal as it is answered and stored: an RFC 9457 problem.
//!
//! ```text
//! HTTP/1.1 409 Conflict
//! content-type: application/problem+json
//! link: <urn:idem:problem:in-flight>; rel="describedby"
//! link: <https://api.example.com/idempotency>; rel="service-doc"      with `policy_url`
//! retry-after: 3
//!
//! {"type":"urn:idem:problem:in-flight","title":"…","status":409,"detail":"…","retryable":true}
//! ```
//!
//! `retryable` and `Retry-After` go together: whoever reads only headers learns the same. The time
//! is 1 to 4 whole seconds, chosen anew for each response.

use std::panic::{AssertUnwindSafe, catch_unwind};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use futures_util::FutureExt;
use http_body_util::BodyExt;
use idem_core::Completion;

use crate::response::headers;
use crate::{HttpSettings, Rejection};

impl Rejection {
    /// The response with this problem, in the application's own form if
    /// [`render`](crate::HttpOptions::render) gives one.
    ///
    /// The response's extensions hold the `Rejection`, for a layer that counts or logs refusals.
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
    /// assert_eq!(response.extensions().get(), Some(&Rejection::Overloaded));
    /// let response = Rejection::KeyReused.into_response(&http);
    /// assert!(!response.headers().contains_key(RETRY_AFTER));
    /// ```
    pub fn into_response(self, http: &HttpSettings) -> Response {
        let rendered = http.render.as_ref().and_then(|render| {
            let rendered = catch_unwind(AssertUnwindSafe(|| render(self)));
            let panicked = |_| {
                let problem = self.name();
                tracing::error!(problem, "the function of `render` panicked");
            };
            rendered.map_err(panicked).ok()
        });
        let mut response = match rendered {
            Some(mut response) => {
                self.complete(response.headers_mut(), http);
                response
            }
            None => self.problem(http),
        };
        response.extensions_mut().insert(self);
        response
    }

    /// The completion with this problem, for a rejection that retries get too.
    ///
    /// Only problems that are not retryable are stored, so no `Retry-After` is replayed for a day.
    /// A rendered body that is not there at once, such as a stream, is not waited for.
    pub(crate) fn into_completion(self, http: &HttpSettings) -> Completion {
        let (parts, body) = self.into_response(http).into_parts();
        let (parts, body) = match body.collect().now_or_never() {
            Some(Ok(body)) => (parts, body.to_bytes()),
            _ => (self.problem(http).into_parts().0, self.body(http).into()),
        };
        let lines = headers::encode(&parts.headers, &http.unstored_headers);
        Completion::new(parts.status.as_u16(), lines, body)
    }

    /// The response as RFC 9457 has it.
    fn problem(self, http: &HttpSettings) -> Response {
        let mut response = Response::new(Body::from(self.body(http)));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
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
        // A line of its own: whoever reads the first line alone finds the problem's page.
        if let Some(url) = &http.policy_url
            && let Ok(link) = HeaderValue::from_str(&format!("<{url}>; rel=\"service-doc\""))
        {
            headers.append(header::LINK, link);
        }
        self.complete(headers, http);
        response
    }

    /// Adds what the status asks for, where the application has not set it.
    fn complete(self, headers: &mut HeaderMap, http: &HttpSettings) {
        if self == Self::ScopeMissing
            && let Some(challenge) = &http.challenge
            && let Ok(challenge) = HeaderValue::from_str(challenge.as_str())
        {
            headers.entry(header::WWW_AUTHENTICATE).or_insert(challenge);
        }
        if self.is_retryable() {
            // Jitter: clients that were refused together must not come back together.
            let seconds = HeaderValue::from(fastrand::u64(1..=4));
            headers.entry(header::RETRY_AFTER).or_insert(seconds);
        }
    }

    fn body(self, http: &HttpSettings) -> Vec<u8> {
        self.document(http).to_string().into_bytes()
    }

    /// The members of the problem document.
    pub(crate) fn document(self, http: &HttpSettings) -> serde_json::Value {
        serde_json::json!({
            "type": format!("{}{}", http.problem_base, self.name()),
            "title": self.title(),
            "status": self.status().as_u16(),
            "detail": self.detail(),
            "retryable": self.is_retryable(),
        })
    }
}
