//! The card network as this API calls it: with a key that is the same for each attempt of one request.

use std::fmt;
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::json;

use crate::problem::Problem;
use crate::program;

/// A network that charges once for each key. `card-network` is one.
#[derive(Clone)]
pub(crate) struct CardNetwork {
    client: Client,
    charges: String,
}

impl CardNetwork {
    /// # Errors
    ///
    /// No client can be made on this machine.
    pub(crate) fn at(url: &str) -> reqwest::Result<Self> {
        Ok(Self {
            client: Client::builder().timeout(PATIENCE).build()?,
            charges: format!("{}/charges", url.trim_end_matches('/')),
        })
    }

    /// Charges a card. After an error nobody knows whether it was charged: the retry asks with the same key.
    ///
    /// # Errors
    ///
    /// [`Problem::Declined`] is final. After [`Problem::NetworkUnavailable`] the client retries.
    pub(crate) async fn charge(
        &self,
        token: &str,
        amount: i64,
        currency: &str,
        key: &str,
    ) -> Result<(), Problem> {
        let charge = json!({ "token": token, "amount": amount, "currency": currency });
        let request = self
            .client
            .post(&self.charges)
            .header("idempotency-key", key)
            .header("content-type", "application/json")
            .body(charge.to_string());
        let unavailable =
            |error: reqwest::Error| Problem::NetworkUnavailable(program::on_one_line(&error));
        let answer = request.send().await.map_err(unavailable)?;
        let status = answer.status();
        let again = |status| Err(Problem::NetworkUnavailable(format!("it answers {status}")));
        // What breaks off in its middle is no answer.
        answer.bytes().await.map_err(unavailable)?;
        match status {
            StatusCode::CREATED => Ok(()),
            StatusCode::PAYMENT_REQUIRED => Err(Problem::Declined),
            StatusCode::CONFLICT | StatusCode::TOO_MANY_REQUESTS => again(status),
            other if other.is_server_error() => again(status),
            other => {
                tracing::error!(status = %other, "the card network refuses the request");
                Err(Problem::Failed(None))
            }
        }
    }
}

impl fmt::Debug for CardNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardNetwork")
            .field("charges", &self.charges)
            .finish_non_exhaustive()
    }
}

/// How long to wait for an answer. A connection of the pool is held for as long.
const PATIENCE: Duration = Duration::from_secs(5);
