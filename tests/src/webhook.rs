//! Webhooks as the example's card network signs them.

use std::time::{SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::http::{Attempt, post};

/// The event, signed just now.
pub fn signed(secret: &str, event: &Value) -> Attempt {
    let (body, now) = (event.to_string(), now());
    let signature = signature(secret, now, &body);
    unsigned(&body).header("card-network-signature", &signature)
}

/// A body that nobody has signed.
pub fn unsigned(body: &str) -> Attempt {
    let webhook = post("/webhooks/card-network").header("content-type", "application/json");
    webhook.body(body.to_owned())
}

/// The header of a body that was signed at this time.
pub fn signature(secret: &str, at: u64, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(format!("{at}.{body}").as_bytes());
    let digits = mac.finalize().into_bytes();
    let code: String = digits.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={at},v1={code}")
}

/// Seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "the network's clock is not the database's"
)]
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}
