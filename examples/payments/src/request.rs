//! A payment as the clients of the page and of the demo ask for it.

use reqwest::{Client, RequestBuilder};
use serde_json::json;

use crate::auth;

/// The request at the API of this address. Its reference is its key, so that the database says how often it was paid.
pub(crate) fn payment(
    client: &Client,
    api: &str,
    key: &str,
    amount: i64,
    source: &str,
) -> RequestBuilder {
    let body = json!({ "amount": amount, "currency": "EUR", "source": source, "reference": key });
    client
        .post(format!("{api}/payments"))
        .bearer_auth(auth::DEMO_KEY)
        .header("idempotency-key", format!("\"{key}\""))
        .header("content-type", "application/json")
        .body(body.to_string())
}
