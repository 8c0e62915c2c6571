//! Pays, and stores what came of it.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::Server;
use super::fault::Fault;

pub struct Payment {
    pub tenant: String,
    pub body: Bytes,
}

/// What a retry gets.
#[derive(Clone)]
pub struct Outcome {
    status: u16,
    body: String,
}

/// Frees the key when it is dropped before the outcome is stored.
struct Running {
    server: Server,
    record: (String, String),
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut store = self.server.store.lock().unwrap();
        if store
            .records
            .get(&self.record)
            .is_some_and(|(_, outcome)| outcome.is_none())
        {
            store.records.remove(&self.record);
        }
    }
}

pub async fn attempt(server: Server, record: (String, String), payment: Payment) -> Response {
    let running = Running { server, record };
    let server = &running.server;
    let outcome = payment.run(server).await;
    let is_stored = matches!(outcome.status, 200..=299 | 402) || server.has(Fault::StoresErrors);
    if is_stored
        && let Some(stored) = server
            .store
            .lock()
            .unwrap()
            .records
            .get_mut(&running.record)
    {
        stored.1 = Some(outcome.clone());
    }
    outcome.respond(server, false)
}

impl Payment {
    pub async fn run(&self, server: &Server) -> Outcome {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let refused = |status| Outcome {
            status,
            body: "{}".to_owned(),
        };
        if body["amount"] == 0 {
            return refused(400);
        }
        let source = body["source"].as_str().unwrap_or_default();
        match source {
            "tok_error" => return refused(500),
            "tok_declined" => return refused(402),
            _ => {}
        }
        let reference = body["reference"].as_str().unwrap_or_default().to_owned();
        let id = {
            let mut store = server.store.lock().unwrap();
            store.payments.push((self.tenant.clone(), reference));
            store.payments.len()
        };
        if let Some(Ok(ms)) = source.strip_prefix("tok_slow_").map(str::parse) {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        let body = json!({ "id": id, "amount": body["amount"] }).to_string();
        Outcome { status: 201, body }
    }
}

impl Outcome {
    pub fn respond(&self, server: &Server, is_replay: bool) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, "application/json".parse().unwrap());
        if !is_replay || server.has(Fault::ReplaysCookies) {
            headers.insert(header::SET_COOKIE, "session=1".parse().unwrap());
        }
        if is_replay && !server.has(Fault::MarksNothing) {
            headers.insert("idempotent-replayed", "true".parse().unwrap());
        }
        let status = StatusCode::from_u16(self.status).unwrap();
        let body = match server.has(Fault::AnswersNothing) {
            true => String::new(),
            false => self.body.clone(),
        };
        (status, headers, body).into_response()
    }
}
