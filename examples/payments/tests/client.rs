//! The client, over a network that loses what it can, against the API: each payment is made once.

#![allow(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "tests"
)]

#[path = "client/faults.rs"]
mod faults;
#[path = "client/lossy.rs"]
mod lossy;
#[path = "client/message.rs"]
mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::Path;
use std::time::Duration;

use fastrand::Rng;
use futures_util::{StreamExt, stream};
use idem_tests::a_moment;
use idem_tests::process::start_payments;
use idem_tests::sqlite::{FEATURE, TestDb};
use payments::client::{self, ClientError, KeyFile, KeyFileError, Limits, Sent};
use reqwest::Response;
use reqwest_middleware::ClientWithMiddleware;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::lossy::Lossy;

/// Every fourth client crashes up to this many times, and starts again with its key file.
const CRASHES: usize = 3;

const PAYMENTS: u64 = 1000;

/// How many clients there are.
const AT_A_TIME: usize = 64;

#[tokio::test]
async fn each_of_many_payments_is_made_once_over_a_network_that_loses_what_it_can() {
    let seed = env::var("PROPTEST_RNG_SEED").map_or(1, |seed| seed.parse().unwrap());
    let db = TestDb::empty().await;
    let api = start_payments(FEATURE, &db.url(), 5).await;
    let network = Lossy::to(api.address(), seed).await;
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        tries: 200,
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_millis(20),
        one_try: Duration::from_secs(1),
        ..Limits::default()
    };
    let client = client::new(limits).unwrap();
    let url = format!("http://{}/payments", network.address());
    let paid = stream::iter(0..PAYMENTS).map(async |number| {
        let rng = Rng::with_seed(seed.wrapping_add(number));
        let id = pay(&client, &url, number, rng, folder.path()).await;
        (reference(number), id)
    });
    let told: BTreeMap<_, _> = paid.buffer_unordered(AT_A_TIME).collect().await;

    let rows = sqlx::query_as::<_, (String, i64)>("select reference, id from payment");
    let rows = rows.fetch_all(&db.pool_of(1).await).await.unwrap();
    let made: BTreeMap<_, _> = rows.iter().cloned().collect();
    let all = usize::try_from(PAYMENTS).unwrap();
    assert_eq!(rows.len(), all, "seed {seed}: payments made twice or lost");
    assert_eq!(made, told, "seed {seed}: another payment is told of");
    network.each_payment_had_one_key_and_each_fault_occurred(all);
    // The locks stay.
    let files = folder.path().read_dir().unwrap();
    let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    let left: BTreeSet<_> = names.filter(|name| !name.ends_with(".lock")).collect();
    assert!(left.is_empty(), "seed {seed}: {left:?}");
}

fn reference(number: u64) -> String {
    format!("order-{number}")
}

/// Pays until the answer is final, and returns the payment's id.
async fn pay(
    client: &ClientWithMiddleware,
    url: &str,
    number: u64,
    mut rng: Rng,
    folder: &Path,
) -> i64 {
    let body = json!({"amount": 100, "currency": "EUR", "reference": reference(number)});
    let mut request = client
        .post(url)
        .header("authorization", "Bearer acme-demo-key")
        .header("content-type", "application/json")
        .body(body.to_string());
    let mut crashes_left = 0;
    if number.is_multiple_of(4) {
        request = request.with_extension(KeyFile::at(folder.join(format!("{number}.key"))));
        crashes_left = CRASHES;
    }
    loop {
        let life = match crashes_left {
            0 => Duration::MAX,
            _ => Duration::from_micros(rng.u64(..20_000)),
        };
        match timeout(life, request.try_clone().unwrap().send()).await {
            Err(_) => crashes_left -= 1,
            Ok(Ok(answer)) => return paid(answer).await,
            // A thread of the crashed client still writes the file.
            Ok(Err(error)) if is_in_use(&error) => a_moment().await,
            Ok(Err(error)) => panic!("payment {number}: {error:?}"),
        }
    }
}

/// The payment's id. Its key is forgotten when its id is known.
async fn paid(answer: Response) -> i64 {
    let (status, sent) = (answer.status(), answer.extensions().get::<Sent>().cloned());
    let body = answer.bytes().await.unwrap();
    assert_eq!(status, 201, "{body:?}");
    let sent = sent.unwrap();
    assert!(sent.is_settled);
    sent.forget_key().await.unwrap();
    let payment: Value = serde_json::from_slice(&body).unwrap();
    payment["id"].as_i64().unwrap()
}

fn is_in_use(error: &reqwest_middleware::Error) -> bool {
    let reqwest_middleware::Error::Middleware(error) = error else {
        return false;
    };
    let error = error.downcast_ref::<ClientError>();
    matches!(error, Some(ClientError::KeyFile(KeyFileError::InUse(_))))
}
