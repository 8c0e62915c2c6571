//! Every option, in its forms.
#![deny(warnings)]

#[path = "../app.rs"]
mod app;

use app::*;
use idem_axum::FingerprintInput;

#[idempotent(
    scope = "tenant",
    ttl = "1w 2d",
    operation = "payments.create",
    key = optional,
    fingerprint = fingerprints::of_body,
    fingerprint_headers = ["X-Currency", "accept-language"],
    max_body = "64KiB",
    max_response = "1MiB",
    store = "2xx, 3xx, 402, 409",
    in_flight = "wait 5s",
    late_retries = "refuse 30d",
    timeout = "1m",
    isolation = "serializable",
    expect = "retries",
    state = AppState,
    plain = all_plain,
)]
async fn all(tx: Tx<Sqlite>, Json(new): Json<Payment>) -> Result<Json<Payment>, ApiError> {
    drop(tx);
    Ok(Json(new))
}

#[idempotent(scope = global, key = "required", fingerprint = json, in_flight = reject)]
async fn words() {}

#[idempotent(scope = "global", fingerprint = "body", in_flight = "reject", isolation = default, expect = first)]
async fn defaults() {}

mod fingerprints {
    use super::*;

    pub(super) fn of_body(input: &FingerprintInput<'_>) -> Vec<u8> {
        input.body.to_vec()
    }
}

pub(crate) fn main() {
    let _: Router<AppState> = Router::new().route("/", post(all).put(words).patch(defaults));
    let _plain = all_plain;
}
