//! Long bodies, whose fingerprints are computed on threads for blocking work.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use idem_axum::{FingerprintInput, Idempotency, RolloutMode, Tx, idempotent};
use idem_tests::http::Attempt;
use tokio::runtime::Builder;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use super::json_fingerprints::by_json;
use super::rollout::modes::records;
use super::support::app::{AppState, FIVE, Paid, Tenant, engine, has_paid, pay, payment, problem};
use super::support::scripted_app::send;
use super::uploads::{buffered, buffers};
use super::{Db, TestDb};

#[idempotent(scope = "tenant")]
async fn by_bytes(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", fingerprint = stays)]
async fn by_function_that_stays(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", fingerprint = counts)]
async fn by_function_that_counts(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", fingerprint = panics)]
async fn by_function_that_panics(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

/// How often `stays` has begun.
static BEGUN: Semaphore = Semaphore::const_new(0);

/// Lets `stays` return.
static LEAVE: LazyLock<(Sender<()>, Mutex<Receiver<()>>)> = LazyLock::new(|| {
    let (leave, left) = mpsc::channel();
    (leave, Mutex::new(left))
});

fn stays(_: &FingerprintInput<'_>) -> [u8; 1] {
    BEGUN.add_permits(1);
    // The limit ends a test in which it keeps the only thread from sending.
    let left = LEAVE.1.lock().unwrap();
    left.recv_timeout(Duration::from_secs(60)).unwrap();
    [0]
}

/// How often `counts` was called.
static COUNTED: AtomicUsize = AtomicUsize::new(0);

fn counts(_: &FingerprintInput<'_>) -> [u8; 1] {
    COUNTED.fetch_add(1, Ordering::SeqCst);
    [0]
}

fn panics(_: &FingerprintInput<'_>) -> [u8; 1] {
    panic!("as planned")
}

async fn start() -> (TestDb, Idempotency<Db>, Router) {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let idem = state.idem.clone();
    let routes = Router::new()
        .route("/bytes", post(by_bytes))
        .route("/json", post(by_json))
        .route("/stays", post(by_function_that_stays))
        .route("/counts", post(by_function_that_counts))
        .route("/panics", post(by_function_that_panics));
    (db, idem, routes.with_state(state))
}

/// A JSON body of 2 MiB that ends with `end`.
fn long(path: &str, end: &str) -> Attempt {
    let json = format!("[{}{end}", " ".repeat((2 << 20) - end.len() - 1));
    payment(path).body(json)
}

#[tokio::test]
async fn a_long_body_whose_client_hangs_up_counts_until_its_fingerprint_is_computed() {
    let (db, idem, app) = start().await;
    let sent = send(&app, long("/stays", "]").key("long"));
    BEGUN.acquire().await.unwrap().forget();
    sent.abort();
    assert!(sent.await.unwrap_err().is_cancelled());
    // The runtime has one thread, and it is free.
    assert!(has_paid(&payment("/bytes").key("k").send(&app).await));
    assert_eq!(buffered(&idem), 2 << 20);
    LEAVE.0.send(()).unwrap();
    buffers(&idem, 0).await;
    assert_eq!((db.payments().await, records(&idem).await), (1, 1));
}

#[test]
fn a_long_body_waits_for_a_thread_while_short_ones_are_answered() {
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (db, idem, app) = start().await;
        // Opens a connection.
        assert!(has_paid(&payment("/bytes").key("first").send(&app).await));
        let (leave, left) = mpsc::channel::<()>();
        let other_work = spawn_blocking(move || left.recv());
        let given_up = send(&app, long("/counts", "1]").key("given-up"));
        for path in ["/bytes", "/json"] {
            let short = payment(path).body("[1]").key("short");
            assert!(has_paid(&short.send(&app).await));
        }
        assert!(!given_up.is_finished());
        given_up.abort();
        assert!(given_up.await.unwrap_err().is_cancelled());
        let sent = ["/bytes", "/json"].map(|path| send(&app, long(path, "1]").key("long")));
        buffers(&idem, 6 << 20).await;
        drop(leave);
        assert!(other_work.await.unwrap().is_err());
        for sent in sent {
            assert!(has_paid(&sent.await.unwrap()));
        }
        assert!(
            long("/json", "1.0]")
                .key("long")
                .send(&app)
                .await
                .is_replay()
        );
        for (path, other) in [("/bytes", "1.0]"), ("/json", "2]")] {
            let refused = long(path, other).key("long").send(&app).await;
            assert_eq!(problem(&refused), (422, "key-reused".to_owned()));
        }
        assert_eq!((db.payments().await, buffered(&idem)), (5, 0));
        assert_eq!(COUNTED.load(Ordering::SeqCst), 0, "nobody waits for it");
    });
}

#[tokio::test]
async fn a_fingerprint_function_that_panics_makes_no_record() {
    let (db, idem, app) = start().await;
    for (key, body) in [("short", 10), ("long", 2 << 20)] {
        let pay = payment("/panics").key(key).body(vec![b' '; body]);
        idem.rollout().set("*", RolloutMode::Enforce);
        let refused = pay.send(&app).await;
        assert_eq!(problem(&refused), (500, "misconfigured".to_owned()));
        idem.rollout().set("*", RolloutMode::Observe);
        assert!(has_paid(&pay.send(&app).await));
    }
    assert_eq!((db.payments().await, records(&idem).await), (2, 0));
    assert_eq!(buffered(&idem), 0);
}
