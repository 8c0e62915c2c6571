//! Notifications: queued once, and sent once, also when the worker dies between sending and its note of it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Redirect;
use axum::routing::post as route_post;
use idem_tests::a_moment;
use idem_tests::http::{Attempt, post, serve};
use idem_tests::process::{Process, worker};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::FEATURE;
use super::app::{App, acme, is_problem};
use super::race::one_of_duplicates_takes_effect;

#[tokio::test]
async fn a_notification_is_queued_once_and_sent_once() {
    let app = App::start().await;
    let mailer = Mailer::start().await;
    one_of_duplicates_takes_effect(&app, notification("ann"), 202).await;
    let retry = app.send(&notification("ann").key("same")).await;
    assert!(retry.is_replay(), "{retry:?}");
    let path = retry.header("location").unwrap();
    let _worker = mailer.worker(&app).await;
    while app.get(path).await.json::<Value>()["status"] != "sent" {
        a_moment().await;
    }
    assert_eq!(mailer.sent(), [1]);
    assert_eq!(app.count("select count(*) from notification").await, 1);
}

#[tokio::test]
async fn a_worker_that_dies_after_sending_sends_nothing_twice() {
    let app = App::start().await;
    let mailer = Mailer::start().await;
    let queued = app.send(&notification("ann").key("k")).await;
    // It has sent, and waits for an answer that does not come.
    mailer.inner.answers.forget_permits(Semaphore::MAX_PERMITS);
    let mut victim = mailer.worker(&app).await;
    while mailer.sent().is_empty() {
        a_moment().await;
    }
    victim.kill().await;
    mailer.inner.answers.add_permits(100);
    let _next = mailer.worker(&app).await;
    let path = queued.header("location").unwrap();
    while app.get(path).await.json::<Value>()["status"] != "sent" {
        a_moment().await;
    }
    // It came once more, with the same key.
    assert_eq!(mailer.sent(), [2]);
}

#[tokio::test]
async fn what_the_mailer_refuses_stops_nothing_behind_it() {
    let app = App::start().await;
    let mailer = Mailer::start().await;
    let refused = app.send(&notification("nobody").key("a")).await;
    let sent = app.send(&notification("ann").key("b")).await;
    let _worker = mailer.worker(&app).await;
    for (queued, status) in [(refused, "refused"), (sent, "sent")] {
        let path = queued.header("location").unwrap();
        while app.get(path).await.json::<Value>()["status"] != status {
            a_moment().await;
        }
    }
}

/// A client that followed the redirection would send a `GET`, and take its success for the mail's.
#[tokio::test]
async fn a_mailer_that_has_moved_gets_the_notification_again() {
    let app = App::start().await;
    let mailer = Mailer::start().await;
    let queued = app.send(&notification("ann").key("k")).await;
    let _worker = mailer.worker_at(&app, "/moved").await;
    let path = queued.header("location").unwrap();
    while mailer.inner.moved.load(Ordering::Relaxed) < 2 {
        assert_eq!(app.get(path).await.json::<Value>()["status"], "queued");
        a_moment().await;
    }
}

#[tokio::test]
async fn an_invalid_notification_is_refused() {
    let app = App::start().await;
    for body in [
        json!({"recipient": "", "text": "hello"}),
        json!({"recipient": "ann", "text": "hel\0lo"}),
        json!({"recipient": "ann"}),
    ] {
        let refused = app
            .send(&acme(post("/notifications")).json(&body).key("k"))
            .await;
        assert!(is_problem(&refused, 400), "{refused:?}");
    }
    assert_eq!(app.count("select count(*) from notification").await, 0);
}

fn notification(recipient: &str) -> Attempt {
    acme(post("/notifications")).json(&json!({"recipient": recipient, "text": "hello"}))
}

/// A service that sends once for each key.
struct Mailer {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    /// How often each key has come.
    keys: Mutex<HashMap<String, usize>>,
    answers: Semaphore,
    /// How often it has been asked at its former address.
    moved: AtomicUsize,
}

impl Mailer {
    async fn start() -> Self {
        let inner = Arc::new(Inner {
            keys: Mutex::default(),
            answers: Semaphore::new(Semaphore::MAX_PERMITS),
            moved: AtomicUsize::default(),
        });
        let app = Router::new()
            .route("/", route_post(send).get(async || StatusCode::OK))
            .route("/moved", route_post(moved));
        let address = serve(app.with_state(Arc::clone(&inner))).await;
        Self { address, inner }
    }

    /// How often it was asked to send, for each key.
    fn sent(&self) -> Vec<usize> {
        self.inner.keys.lock().unwrap().values().copied().collect()
    }

    async fn worker(&self, app: &App) -> Process {
        self.worker_at(app, "/").await
    }

    async fn worker_at(&self, app: &App, path: &str) -> Process {
        let mut worker = worker(FEATURE, &app.url(), "embedded");
        worker.args(["--mailer", &format!("http://{}{path}", self.address)]);
        Process::start_until(worker, "worker: ready").await
    }
}

async fn moved(State(mailer): State<Arc<Inner>>) -> Redirect {
    mailer.moved.fetch_add(1, Ordering::Relaxed);
    Redirect::to("/")
}

async fn send(State(mailer): State<Arc<Inner>>, headers: HeaderMap, body: String) -> StatusCode {
    if body.contains("nobody") {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    *mailer.keys.lock().unwrap().entry(key).or_default() += 1;
    mailer.answers.acquire().await.unwrap().forget();
    StatusCode::ACCEPTED
}
