//! The middleware: gives a request its key, and sends it until the answer is final.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Extensions, HeaderValue, Method};
use reqwest::{Request, Response};
use reqwest_middleware::{Error, Middleware, Next, Result};
use uuid::Uuid;

use super::key_file::KeyFile;
use super::repeat::{Ended, repeat};
use super::saved_key::SavedKey;
use super::{ClientError, Failure, KeyFileError, Limits};
use super::{answer, settled};

/// Retries with one key for each request.
///
/// A `POST` or `PATCH` without an `Idempotency-Key` gets a random one, or that of the [`KeyFile`] among its
/// extensions. Other methods are idempotent by themselves (RFC 9110, section 9.2.2), and are retried without a key.
///
/// # Cancellation
///
/// A request that is dropped may have taken effect. Its key is lost, unless the caller or a [`KeyFile`] has it.
#[derive(Clone, Debug)]
pub struct IdempotentRetries {
    limits: Limits,
}

/// How a request was sent, in the extensions of its answer.
#[derive(Clone)]
#[non_exhaustive]
pub struct Sent {
    /// The key.
    pub key: Option<String>,
    /// How many times the request was sent.
    pub tries: usize,
    /// Whether the answer says what became of the request. If not, an earlier try may have taken effect, perhaps of an
    /// earlier run with this key.
    pub is_settled: bool,
    /// Whether the request has certainly had no effect: it was refused, and no earlier try is open.
    pub did_nothing: bool,
    saved: Option<Arc<SavedKey>>,
}

impl Sent {
    /// Removes the [`KeyFile`], if the answer has settled the request or says that it did nothing: call it when you have
    /// stored the outcome. Calling it twice is fine.
    ///
    /// After a crash before that, the same request finds its key, and gets the same answer.
    ///
    /// # Errors
    ///
    /// When the file cannot be removed.
    ///
    /// # Cancellation
    ///
    /// The file may be removed all the same.
    pub async fn forget_key(&self) -> std::result::Result<(), KeyFileError> {
        match &self.saved {
            Some(saved) if self.is_settled || self.did_nothing => saved.remove().await,
            _ => Ok(()),
        }
    }
}

/// A key can be a secret.
impl std::fmt::Debug for Sent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sent = f.debug_struct("Sent");
        sent.field("tries", &self.tries);
        sent.field("is_settled", &self.is_settled);
        sent.field("did_nothing", &self.did_nothing)
            .finish_non_exhaustive()
    }
}

impl IdempotentRetries {
    /// A middleware with these limits.
    pub fn new(limits: Limits) -> Self {
        Self { limits }
    }
}

#[async_trait]
impl Middleware for IdempotentRetries {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let is_callers = request.headers().contains_key(HEADER);
        let saved = prepare(&mut request, extensions).await;
        let saved = saved.map_err(Error::middleware)?;
        let key = request.headers().get(HEADER).map(shown);
        let ended = repeat(&self.limits, || {
            let (copy, next) = (request.try_clone(), next.clone());
            let (mut extensions, max) = (extensions.clone(), self.limits.max_answer);
            async move {
                // `prepare` has refused streams.
                let copy = copy.ok_or_else(|| {
                    Failure::Network(Error::middleware(ClientError::NotRepeatable))
                })?;
                let response = next.run(copy, &mut extensions).await;
                answer::read(response.map_err(Failure::from)?, max).await
            }
        });
        let mut ended = ended.await;
        // A file that was there before belongs to a run whose outcome nobody knows, and a caller's key may.
        ended.is_open |= is_callers || saved.as_ref().is_some_and(SavedKey::is_old);
        finish(ended, key, saved).await
    }
}

/// Gives the request its key, and writes it down before the first byte is sent.
async fn prepare(
    request: &mut Request,
    extensions: &Extensions,
) -> std::result::Result<Option<SavedKey>, ClientError> {
    if request.body().is_some_and(|body| body.as_bytes().is_none()) {
        return Err(ClientError::NotRepeatable);
    }
    let has_key = request.headers().contains_key(HEADER);
    let saved = match extensions.get::<KeyFile>() {
        Some(_) if has_key => return Err(ClientError::TwoKeys),
        Some(file) => Some(file.open(request).await?),
        None => None,
    };
    let needs_key = matches!(*request.method(), Method::POST | Method::PATCH);
    let key = match &saved {
        Some(saved) => Some(saved.key()),
        None if has_key || !needs_key => None,
        None => Some(Uuid::new_v4()),
    };
    if let Some(key) = key {
        request.headers_mut().insert(HEADER, header_of(key));
    }
    Ok(saved)
}

/// Keeps a key from being used again where a program must not, and says how the request was sent.
async fn finish(ended: Ended, key: Option<String>, saved: Option<SavedKey>) -> Result<Response> {
    let tries = ended.tries;
    let mut answer = match ended.last {
        Ok(answer) => answer,
        Err(Failure::Network(error)) if error.is_builder() || error.is_middleware() => {
            return Err(error);
        }
        Err(last) => {
            return Err(Error::middleware(ClientError::NoAnswer {
                key,
                tries,
                last,
            }));
        }
    };
    let is_settled = settled::is_settled(&answer, ended.is_open);
    let did_nothing = settled::did_nothing(&answer, ended.is_open);
    let saved = match saved {
        Some(saved) if !is_settled && answer.status().is_server_error() => {
            // The caller needs the answer all the same.
            if let Err(error) = saved.hold(answer.status().to_string()).await {
                tracing::error!(%error, "the key file does not say that its request must not be sent again");
            }
            None
        }
        saved => saved.map(Arc::new),
    };
    let sent = Sent {
        key,
        tries,
        is_settled,
        did_nothing,
        saved,
    };
    answer.extensions_mut().insert(sent);
    Ok(answer.into())
}

const HEADER: &str = "idempotency-key";

/// A string in the syntax of structured fields, as the draft wants it (section 2.1).
fn header_of(key: Uuid) -> HeaderValue {
    let text = format!("\"{key}\"");
    // A UUID has the characters of a header's value; none else comes here.
    let value = HeaderValue::from_str(&text);
    let mut value = value.unwrap_or_else(|_| HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

/// The key without the quotes of structured fields.
fn shown(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    text.trim_matches('"').to_owned()
}
