//! A request for a payment, as a client sends it.

use std::time::Duration;

use reqwest::{Client, Response};
use serde_json::Value;

use crate::home::story::{Answer, Kind, Order};
use crate::request;

/// An API, and who asks it.
pub(super) struct Api {
    client: Client,
    url: String,
}

impl Api {
    /// # Errors
    ///
    /// No client can be made on this machine.
    pub(super) fn new(url: &str) -> reqwest::Result<Self> {
        Ok(Self {
            client: Client::builder().timeout(PATIENCE).build()?,
            url: url.to_owned(),
        })
    }

    /// The same client at another process.
    pub(super) fn at(&self, url: &str) -> Self {
        Self {
            client: self.client.clone(),
            url: url.to_owned(),
        }
    }

    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Sends the request, always with the same key and the same body.
    ///
    /// # Errors
    ///
    /// No answer: nobody knows whether it was paid.
    pub(super) async fn send(&self, order: &Order) -> reqwest::Result<Answer> {
        let Order {
            key,
            amount,
            source,
        } = order;
        let request = request::payment(&self.client, &self.url, key, *amount, source);
        answer(request.send().await?).await
    }
}

async fn answer(response: Response) -> reqwest::Result<Answer> {
    let status = response.status();
    let is_replay = response.headers().contains_key("idempotent-replayed");
    let body: Value = serde_json::from_slice(&response.bytes().await?).unwrap_or_default();
    let kind = match (status.is_success(), is_replay) {
        (_, true) => Kind::Replayed,
        (true, false) => Kind::Made,
        (false, false) => Kind::Refused,
    };
    Ok(Answer {
        kind,
        status: status.as_u16(),
        text: text(&body),
    })
}

/// The payment, or the problem's name; one of the API's own has a title alone.
fn text(body: &Value) -> String {
    let problem = body["type"]
        .as_str()
        .and_then(|name| name.rsplit(['/', ':', '#']).next());
    match (&body["id"], problem.or(body["title"].as_str())) {
        (Value::Number(id), _) => format!("payment {id}"),
        (_, text) => text.unwrap_or_default().to_owned(),
    }
}

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(30);
