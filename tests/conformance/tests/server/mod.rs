//! A small payments API in memory that is right, or wrong in one way.

mod fault;
mod key;
mod payment;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::json;
use tokio::net::TcpListener;

pub use fault::Fault;
use payment::Outcome;

/// Serves on a free port until the test's runtime ends.
pub async fn serve(fault: Option<Fault>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let policy = match fault {
        Some(Fault::PublishesNothing) => "",
        _ => "Idempotency-Key: a key expires after 24 hours",
    };
    let server = Server {
        fault,
        store: Arc::default(),
    };
    let app = Router::new()
        .route("/payments", post(create).get(list))
        .route("/policy", get(async move || policy))
        .with_state(server);
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[derive(Clone)]
struct Server {
    fault: Option<Fault>,
    store: Arc<Mutex<Store>>,
}

#[derive(Default)]
struct Store {
    /// By tenant and key: what was requested, and the outcome once it is over.
    records: HashMap<(String, String), (Vec<u8>, Option<Outcome>)>,
    /// Tenant and reference of each payment.
    payments: Vec<(String, String)>,
}

impl Server {
    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

async fn list(
    State(server): State<Server>,
    headers: HeaderMap,
    Query(wanted): Query<HashMap<String, String>>,
) -> Response {
    let tenant = tenant(&headers).unwrap_or_default();
    let reference = wanted.get("reference").cloned().unwrap_or_default();
    let store = server.store.lock().unwrap();
    let wanted = (tenant, reference);
    let found: Vec<_> = store
        .payments
        .iter()
        .filter(|payment| **payment == wanted)
        .collect();
    axum::Json(json!({ "payments": found })).into_response()
}

async fn create(
    State(server): State<Server>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = match key::read(&headers, server.fault) {
        Ok(key) => key,
        Err(problem) => return *problem,
    };
    let tenant = match tenant(&headers) {
        Some(tenant) => tenant,
        None if server.has(Fault::ReplaysWithoutCredentials) => "acme".to_owned(),
        None => {
            return (
                [(header::WWW_AUTHENTICATE, "Bearer")],
                problem(401, "unauthorised", None),
            )
                .into_response();
        }
    };
    let payment = payment::Payment {
        tenant: tenant.clone(),
        body: body.clone(),
    };
    if server.has(Fault::IgnoresKeys)
        || server.has(Fault::TrustsMarks) && headers.contains_key("idempotent-replayed")
    {
        let outcome = payment.run(&server).await;
        return outcome.respond(&server, server.has(Fault::TrustsMarks));
    }
    let owner = if server.has(Fault::ReplaysAcrossTenants) {
        String::new()
    } else {
        tenant
    };
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .map_or(&b""[..], |value| value.as_bytes());
    let requested = [uri.to_string().as_bytes(), content_type, &body].join(&b'\n');
    let record = (owner, key);
    match server.claim(&record, &requested) {
        Claim::Replay(outcome) => return outcome.respond(&server, true),
        Claim::Refused(response) => return response,
        Claim::Fresh => {}
    }
    let attempt = payment::attempt(server.clone(), record, payment);
    // A client that hangs up ends the future of its handler, but not a task.
    match server.has(Fault::LosesHangUps) {
        true => attempt.await,
        false => tokio::spawn(attempt).await.unwrap(),
    }
}

enum Claim {
    Fresh,
    Replay(Outcome),
    Refused(Response),
}

impl Server {
    fn claim(&self, record: &(String, String), requested: &[u8]) -> Claim {
        let mut store = self.store.lock().unwrap();
        match store.records.get(record) {
            Some((first, _)) if first != requested && !self.has(Fault::ReplaysReusedKeys) => {
                Claim::Refused(problem(422, "key-reused", None))
            }
            Some((_, Some(outcome))) => Claim::Replay(outcome.clone()),
            Some((_, None)) => {
                let after = (!self.has(Fault::ForgetsRetryAfter)).then_some("1");
                Claim::Refused(problem(409, "in-flight", after))
            }
            None => {
                store
                    .records
                    .insert(record.clone(), (requested.to_vec(), None));
                Claim::Fresh
            }
        }
    }
}

fn tenant(headers: &HeaderMap) -> Option<String> {
    let credentials = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let name = credentials
        .strip_prefix("Bearer ")?
        .strip_suffix("-demo-key")?;
    Some(name.to_owned())
}

/// A problem document as Idem's are.
fn problem(status: u16, name: &str, retry_after: Option<&str>) -> Response {
    let kind = format!("https://api.example/problems/{name}");
    let body = json!({
        "type": kind, "title": name, "status": status, "detail": name, "retryable": status == 409,
    });
    let mut headers = HeaderMap::new();
    headers.insert(
        header::CONTENT_TYPE,
        "application/problem+json".parse().unwrap(),
    );
    headers.insert(
        header::LINK,
        format!("<{kind}>; rel=\"describedby\"").parse().unwrap(),
    );
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, seconds.parse().unwrap());
    }
    let status = StatusCode::from_u16(status).unwrap();
    (status, headers, body.to_string()).into_response()
}
