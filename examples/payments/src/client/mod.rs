//! A client of any API with idempotency keys: it sends a request until the answer is final.
//!
//! A request gets one key when it is first sent, and keeps it over its retries. Answers are read whole before
//! they are returned, so that one that breaks off is retried too. `docs/CLIENTS.md` says why.

mod answer;
mod error;
mod key_file;
mod middleware;
mod repeat;
mod rules;
mod saved_key;
#[cfg(test)]
mod scripted;
mod settled;

use std::time::Duration;

use reqwest::redirect;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};

pub use self::error::{ClientError, Failure, KeyFileError};
pub use self::key_file::KeyFile;
pub use self::middleware::{IdempotentRetries, Sent};

/// How often and for how long a client retries.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How many times a request is sent at most.
    pub tries: usize,
    /// How long one try may take. It should outlast the server's own time limit.
    pub one_try: Duration,
    /// How long all tries and pauses may take together.
    pub total: Duration,
    /// The pause after the first try. Each later one is twice as long.
    pub first_pause: Duration,
    /// The longest pause, before jitter. Jitter adds up to as much again.
    pub longest_pause: Duration,
    /// How many bytes of an answer's body are read at most.
    pub max_answer: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tries: 8,
            one_try: Duration::from_secs(35),
            total: Duration::from_secs(90),
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(10),
            max_answer: 1024 * 1024,
        }
    }
}

/// A client that retries with one key for each request.
///
/// It follows no redirect: some turn a `POST` into a `GET`.
///
/// # Errors
///
/// When the system gives the client no resources.
///
/// # Examples
///
/// ```no_run
/// use payments::client::{self, KeyFile, Limits, Sent};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let client = client::new(Limits::default())?;
/// let paid = client
///     .post("http://localhost:8080/payments")
///     .header("authorization", "Bearer acme-demo-key")
///     .header("content-type", "application/json")
///     .body(r#"{"amount": 1250, "currency": "EUR"}"#)
///     // The key survives a crash of this program.
///     .with_extension(KeyFile::at("payment.key"))
///     .send()
///     .await?;
/// let sent = paid.extensions().get::<Sent>().cloned();
/// println!("{}", paid.text().await?);
/// // Now that the outcome is known outside of this program.
/// if let Some(sent) = sent {
///     sent.forget_key().await?;
/// }
/// # Ok(())
/// # }
/// ```
pub fn new(limits: Limits) -> reqwest::Result<ClientWithMiddleware> {
    let client = reqwest::Client::builder().redirect(redirect::Policy::none());
    let client = ClientBuilder::new(client.build()?);
    Ok(client.with(IdempotentRetries::new(limits)).build())
}
