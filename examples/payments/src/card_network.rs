//! A small card network: it charges once for each `Idempotency-Key`, and counts.
//!
//! It remembers its charges for as long as it runs. What it does is chosen by the card's token:
//!
//! | token | |
//! | --- | --- |
//! | `tok_network_declined` | 402, and no charge |
//! | `tok_network_failing` | 500, and no charge |
//! | `tok_network_slow_MS` | waits for so many milliseconds, then charges |
//! | `tok_network_late_MS` | charges, then waits before it answers |
//! | `tok_network_lost` | charges, and breaks the connection; the next request with the key is answered |
//! | any other | charges |

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use clap::Parser;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::sleep;

use crate::program;

#[derive(Parser)]
#[command(about = "A card network that charges once for each idempotency key")]
struct Options {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "CARD_NETWORK_LISTEN", default_value = "127.0.0.1:8090")]
    listen: String,
}

/// Serves until it is told to stop.
pub async fn main() -> ExitCode {
    program::log();
    program::end("card-network", run(&Options::parse()).await)
}

async fn run(options: &Options) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stop = program::stop_signal(false)?;
    let listener = program::listen(&options.listen).await?;
    program::say(&format!("listening on http://{}", listener.local_addr()?));
    let app = Router::new()
        .route("/charges", post(charge).get(list))
        .with_state(Arc::<Mutex<Network>>::default());
    axum::serve(listener, app)
        .with_graceful_shutdown(stop)
        .await?;
    Ok(())
}

/// What it has been asked for, by key.
type Network = HashMap<String, Request>;

/// A request, and its charge once it is made.
#[derive(Debug)]
struct Request {
    charge: Charge,
    is_charged: bool,
}

/// What is charged to whom.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
struct Charge {
    amount: i64,
    currency: String,
    token: String,
}

async fn charge(
    State(network): State<Arc<Mutex<Network>>>,
    headers: HeaderMap,
    Json(charge): Json<Charge>,
) -> Response {
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok());
    let Some(key) = key.map(str::to_owned) else {
        return (StatusCode::BAD_REQUEST, "send an Idempotency-Key").into_response();
    };
    let behaviour = Behaviour::of(&charge.token);
    match behaviour {
        Behaviour::Declines => return StatusCode::PAYMENT_REQUIRED.into_response(),
        Behaviour::Fails => return StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        _ => {}
    }
    match lock(&network).entry(key.clone()) {
        Entry::Vacant(entry) => {
            entry.insert(Request {
                charge: charge.clone(),
                is_charged: false,
            });
        }
        Entry::Occupied(entry) => return again(entry.get(), &charge).into_response(),
    }
    // The client may hang up: what it has asked for is charged all the same, as by a real network.
    let charged = tokio::spawn(async move {
        if let Behaviour::IsSlow(time) = behaviour {
            sleep(time).await;
        }
        if let Some(request) = lock(&network).get_mut(&key) {
            request.is_charged = true;
        }
        if let Behaviour::AnswersLate(time) = behaviour {
            sleep(time).await;
        }
    });
    match (charged.await, behaviour) {
        (Ok(()), Behaviour::LosesItsAnswer) => broken(),
        (Ok(()), _) => (StatusCode::CREATED, Json(charge)).into_response(),
        (Err(_), _) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// The answer to a key that has come before.
fn again(request: &Request, charge: &Charge) -> impl IntoResponse {
    match (&request.charge == charge, request.is_charged) {
        (false, _) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "another charge has this key",
        ),
        (true, false) => (StatusCode::CONFLICT, "the first request is still running"),
        (true, true) => (StatusCode::CREATED, "it was charged before"),
    }
}

/// An answer that breaks off.
fn broken() -> Response {
    let error = io::Error::from(io::ErrorKind::ConnectionAborted);
    let body = stream::iter([Err::<&str, _>(error)]);
    Response::new(Body::from_stream(body))
}

#[derive(Clone, Copy, Debug)]
enum Behaviour {
    Charges,
    Declines,
    Fails,
    IsSlow(Duration),
    AnswersLate(Duration),
    LosesItsAnswer,
}

impl Behaviour {
    fn of(token: &str) -> Self {
        let rest = token.strip_prefix("tok_network_").unwrap_or_default();
        let time = |kind| {
            let time = rest.strip_prefix(kind)?.parse().ok();
            time.map(Duration::from_millis)
                .map(|time| time.min(LONGEST))
        };
        match rest {
            "declined" => Self::Declines,
            "failing" => Self::Fails,
            "lost" => Self::LosesItsAnswer,
            _ => match (time("slow_"), time("late_")) {
                (Some(time), _) => Self::IsSlow(time),
                (_, Some(time)) => Self::AnswersLate(time),
                _ => Self::Charges,
            },
        }
    }
}

/// The charges that were made, by key.
async fn list(State(network): State<Arc<Mutex<Network>>>) -> impl IntoResponse {
    let network = lock(&network);
    let charged = network.iter().filter(|(_, request)| request.is_charged);
    let charges: HashMap<_, _> = charged
        .map(|(key, request)| (key, &request.charge))
        .collect();
    Json(json!({ "charges": charges }))
}

fn lock(network: &Mutex<Network>) -> std::sync::MutexGuard<'_, Network> {
    network.lock().unwrap_or_else(PoisonError::into_inner)
}

const LONGEST: Duration = Duration::from_secs(60);
