//! Bodies that are slow or endless, and more of them than the node may buffer.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::routing::post;
use futures_util::{StreamExt, stream};
use idem_axum::{
    HttpOptions, HttpSettings, Idempotency, IdempotencyBuilder, RolloutMode, Tx, idempotent,
};
use idem_tests::a_moment;
use idem_tests::http::{self, Attempt, serve};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::bodies::Broken;
use super::rollout::modes::records;
use super::support::app::{AppState, FIVE, Tenant, engine, has_paid, pay, payment, problem};
use super::support::scripted_app::send;
use super::{Db, TestDb, idem_on};

/// Responds with the length of the body.
#[idempotent(scope = "tenant", max_body = "3MiB")]
async fn upload(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    body: Bytes,
) -> Result<(StatusCode, String), StatusCode> {
    let (status, _) = pay(&mut tx, &tenant, FIVE).await?;
    Ok((status, body.len().to_string()))
}

/// Takes half of its timeout.
#[idempotent(scope = "tenant", timeout = "3s")]
async fn take_time(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    _: Bytes,
) -> Result<StatusCode, StatusCode> {
    let (status, _) = pay(&mut tx, &tenant, FIVE).await?;
    sleep(Duration::from_millis(1500)).await;
    Ok(status)
}

/// A body whose extractor waits at the gate.
struct Pondered;

impl FromRequest<AppState> for Pondered {
    type Rejection = Infallible;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Infallible> {
        drop(request);
        state.gate.entered.notify_one();
        state.gate.open.notified().await;
        Ok(Self)
    }
}

/// Responds with the number of bytes being read while it runs.
#[idempotent(scope = "tenant")]
async fn ponder(State(state): State<AppState>, _: Tenant, _: Pondered) -> String {
    buffered(&state.idem).to_string()
}

async fn start(
    settings: impl FnOnce(IdempotencyBuilder<Db>) -> IdempotencyBuilder<Db>,
) -> (TestDb, Idempotency<Db>, Router) {
    let db = TestDb::new().await;
    engine(&db).await;
    let idem = settings(idem_on(db.pool().await)).build();
    let routes = Router::new()
        .route("/upload", post(upload))
        .route("/take-time", post(take_time));
    let app = routes.with_state(AppState::new(idem.clone()));
    (db, idem, app)
}

fn bytes(length: usize) -> Vec<u8> {
    vec![b' '; length]
}

/// How many bytes of bodies are being read.
pub fn buffered(idem: &Idempotency<Db>) -> usize {
    HttpSettings::of(idem).buffered_bytes()
}

/// Returns when this many bytes of bodies are being read.
pub async fn buffers(idem: &Idempotency<Db>, bytes: usize) {
    let reached = async {
        while buffered(idem) != bytes {
            a_moment().await;
        }
    };
    let reached = timeout(Duration::from_secs(30), reached).await;
    assert!(reached.is_ok(), "{} of {bytes}", buffered(idem));
}

/// The response to a request with this body; it must arrive in time.
async fn soon(app: &Router, attempt: &Attempt, body: Body) -> http::Answer {
    let answer = timeout(Duration::from_secs(30), attempt.send_body(app, body));
    answer.await.expect("it is answered")
}

#[tokio::test]
async fn stalled_uploads_time_out_and_leave_nothing() {
    let limit = Duration::from_millis(500);
    let (db, idem, app) = start(|engine| engine.body_timeout(limit)).await;
    let address = serve(app.clone()).await;
    let pay = |number: usize| payment("/upload").key(&format!("key-{number}"));
    let mut uploads = Vec::new();
    for number in 0..100 {
        let mut upload = pay(number).begin(address, 2 << 20).await.unwrap();
        upload.send(&bytes(10_000)).await.unwrap();
        uploads.push(upload);
    }
    for upload in uploads {
        let answer = timeout(Duration::from_secs(30), upload.answer());
        let answer = answer.await.expect("it is ended").unwrap();
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.contains(":body-timeout\""), "{answer}");
        assert!(answer.contains("\"retryable\":true"), "{answer}");
    }
    assert_eq!((idem.running(), buffered(&idem)), (0, 0));
    assert_eq!((db.payments().await, records(&idem).await), (0, 0));
    for number in [0, 99] {
        assert!(has_paid(&pay(number).send(&app).await));
    }
}

#[tokio::test]
async fn an_upload_that_trickles_for_ever_times_out_too() {
    let limit = Duration::from_millis(200);
    let (db, idem, app) = start(|engine| engine.body_timeout(limit)).await;
    let drip = stream::repeat(()).then(async |()| {
        sleep(Duration::from_millis(10)).await;
        Ok::<_, Infallible>(" ")
    });
    let pay = payment("/upload").key("k");
    let answer = soon(&app, &pay, Body::from_stream(drip)).await;
    assert_eq!(problem(&answer), (408, "body-timeout".to_owned()));
    assert_eq!((idem.running(), buffered(&idem)), (0, 0));
    assert_eq!((db.payments().await, records(&idem).await), (0, 0));
    assert!(has_paid(&pay.send(&app).await));
}

#[tokio::test]
async fn a_slow_upload_does_not_count_towards_the_attempts_timeout() {
    let (db, _idem, app) = start(|engine| engine).await;
    let address = serve(app).await;
    let begun = Instant::now();
    let pay = payment("/take-time").key("k");
    let mut upload = pay.begin(address, 2).await.unwrap();
    upload.send(b"a").await.unwrap();
    // Longer than the attempt may take.
    sleep_until(begun + Duration::from_millis(3100)).await;
    upload.send(b"b").await.unwrap();
    let answer = upload.answer().await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_body_that_does_not_fit_the_free_buffer_gets_503() {
    let (db, idem, app) = start(|engine| engine.max_buffered_bytes(4 << 20)).await;
    let address = serve(app.clone()).await;
    let mut uploads = Vec::new();
    for (key, held) in [("one", 3 << 19), ("two", 3 << 20)] {
        let pay = payment("/upload").key(key);
        let mut upload = pay.begin(address, 2 << 20).await.unwrap();
        upload.send(&bytes(3 << 19)).await.unwrap();
        buffers(&idem, held).await;
        uploads.push(upload);
    }
    let pay = payment("/upload").key("k");
    let large = pay.clone().body(bytes(2 << 20));
    let refused = large.send(&app).await;
    assert_eq!(problem(&refused), (503, "overloaded".to_owned()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!((db.payments().await, records(&idem).await), (0, 0));
    // What there is room for is read, and those who hang up or come to an end make room.
    assert!(has_paid(&payment("/upload").key("small").send(&app).await));
    drop(uploads.remove(0));
    buffers(&idem, 3 << 19).await;
    assert!(has_paid(&large.send(&app).await));
    let mut last = uploads.remove(0);
    last.send(&bytes(1 << 19)).await.unwrap();
    let paid = last.answer().await.unwrap();
    assert!(paid.starts_with("HTTP/1.1 201 "), "{paid}");
    assert_eq!(buffered(&idem), 0);
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn a_body_counts_as_buffered_until_its_attempt_begins() {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let (idem, gate) = (state.idem.clone(), state.gate.clone());
    let app = Router::new().route("/ponder", post(ponder));
    let app = app.with_state(state);
    let sent = send(&app, payment("/ponder").key("k").body(bytes(5000)));
    gate.entered.notified().await;
    assert_eq!((buffered(&idem), idem.running()), (5000, 0));
    gate.open.notify_one();
    assert_eq!(sent.await.unwrap().body, "0");
}

#[tokio::test]
async fn a_body_larger_than_max_buffered_bytes_gets_413() {
    let (db, idem, app) = start(|engine| engine.max_buffered_bytes(1 << 20)).await;
    let large = payment("/upload").key("k").body(bytes((1 << 20) + 1));
    let refused = large.send(&app).await;
    assert_eq!(problem(&refused), (413, "body-too-large".to_owned()));
    let unannounced = stream::repeat_with(|| Ok::<_, Infallible>(bytes(1 << 10)));
    let refused = soon(&app, &large, Body::from_stream(unannounced)).await;
    assert_eq!(problem(&refused), (413, "body-too-large".to_owned()));
    assert_eq!((db.payments().await, buffered(&idem)), (0, 0));
    assert!(has_paid(&large.body(bytes(1 << 20)).send(&app).await));
}

#[tokio::test]
async fn a_full_body_buffer_does_not_hide_a_missing_key_or_credential() {
    let (db, idem, app) = start(|engine| engine).await;
    let settings = HttpSettings::of(&idem);
    let mut all = settings.reserve();
    assert!(all.grow_to(settings.max_buffered_bytes()));
    for (attempt, status) in [
        (http::post("/upload").key("k"), 401),
        (payment("/upload"), 400),
        (payment("/upload").key("k"), 503),
    ] {
        let body = Broken::default();
        let refused = attempt.send_body(&app, Body::new(body.clone())).await;
        assert_eq!(refused.status, status, "{refused:?}");
        assert!(!body.was_read());
    }
    drop(all);
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn slow_bodies_and_a_full_buffer_are_refused_only_when_enforced() {
    let limit = Duration::from_millis(10);
    let (db, idem, app) = start(|engine| engine.body_timeout(limit)).await;
    let halves = || {
        let halves = stream::iter(["one ", "two"]).then(async |half| {
            sleep(Duration::from_millis(50)).await;
            Ok::<_, Infallible>(half)
        });
        Body::from_stream(halves)
    };
    let pay = |key: &str| payment("/upload").key(key);
    for mode in [
        RolloutMode::Off,
        RolloutMode::Observe,
        RolloutMode::Validate,
    ] {
        idem.rollout().set("*", mode);
        let slow = pay(&format!("slow-{mode}"));
        assert_eq!(soon(&app, &slow, halves()).await.body, "7", "{mode}");
        let settings = HttpSettings::of(&idem);
        let mut all = settings.reserve();
        assert!(all.grow_to(settings.max_buffered_bytes()));
        let none_left = pay(&format!("none-left-{mode}"));
        assert_eq!(soon(&app, &none_left, halves()).await.body, "7", "{mode}");
    }
    // What cannot be kept to be looked at leaves no record.
    assert_eq!((db.payments().await, records(&idem).await), (6, 2));
    idem.rollout().set("*", RolloutMode::Enforce);
    let refused = soon(&app, &pay("slow"), halves()).await;
    assert_eq!(problem(&refused), (408, "body-timeout".to_owned()));
    let settings = HttpSettings::of(&idem);
    let mut all = settings.reserve();
    assert!(all.grow_to(settings.max_buffered_bytes()));
    let refused = soon(&app, &pay("none-left"), halves()).await;
    assert_eq!(problem(&refused), (503, "overloaded".to_owned()));
    assert_eq!((db.payments().await, records(&idem).await), (6, 2));
}
