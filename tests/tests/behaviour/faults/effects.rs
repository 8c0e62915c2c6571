//! An effect outside of the database, a crash at each point around it, and a retry.
//!
//! `docs/EFFECTS.md` has what these tests show. The card network is a server of its own, which charges
//! once for each of the keys that it is sent; the tests count there, and not in the database.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use idem_axum::{DownstreamKeys, HasIdempotency, Idempotency, Tx, idempotent};
use idem_tests::http;
use sqlx::Pool;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::support::app::{FIVE, Paid, Tenant, engine, has_paid, once_it_is_over, pay, payment};
use super::{Db, TestDb, idem_on};

/// A network that charges once for each key: key and number of the charge.
#[derive(Clone, Default)]
struct Network {
    charges: Arc<Mutex<HashMap<String, usize>>>,
    /// How often the answer is lost after the charge.
    loses: Arc<Mutex<usize>>,
}

impl Network {
    async fn start(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new().route("/charges", post(charge));
        let app = app.with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        address
    }

    fn charges(&self) -> usize {
        self.charges.lock().unwrap().len()
    }
}

async fn charge(State(network): State<Network>, headers: HeaderMap) -> Result<String, StatusCode> {
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    let number = {
        let mut charges = network.charges.lock().unwrap();
        let next = charges.len() + 1;
        *charges.entry(key).or_insert(next)
    };
    let mut loses = network.loses.lock().unwrap();
    if *loses > 0 {
        *loses -= 1;
        return Err(StatusCode::GATEWAY_TIMEOUT);
    }
    Ok(number.to_string())
}

/// A node of the shop, and where its handlers stop as if the process had died there.
#[derive(Clone, HasIdempotency)]
#[scopes(tenant = Tenant)]
struct Shop {
    idem: Idempotency<Db>,
    network: SocketAddr,
    stops: Option<&'static str>,
    stopped: Arc<Notify>,
}

impl Shop {
    fn on(pool: Pool<Db>, network: SocketAddr, stops: Option<&'static str>) -> Self {
        Self {
            idem: idem_on(pool).build(),
            network,
            stops,
            stopped: Arc::default(),
        }
    }

    fn app(&self) -> Router {
        Router::new()
            .route("/with-tx", post(pay_by_card))
            .route("/without-tx", post(only_charge))
            .route("/attempt-id", post(pay_by_card_with_the_attempts_id))
            .with_state(self.clone())
    }

    async fn charge(&self, key: &str) -> Result<(), StatusCode> {
        self.passes("before-the-call").await;
        let charge = http::post("/charges").key(key);
        let answer = charge.send_to(self.network).await;
        self.passes("after-the-call").await;
        match answer {
            Ok(answer) if answer.status == 200 => Ok(()),
            _ => Err(StatusCode::SERVICE_UNAVAILABLE),
        }
    }

    async fn passes(&self, point: &str) {
        if self.stops == Some(point) {
            self.stopped.notify_one();
            std::future::pending::<()>().await;
        }
    }
}

#[idempotent(scope = "tenant")]
async fn pay_by_card(State(shop): State<Shop>, mut tx: Tx<Db>) -> Paid {
    let paid = pay(&mut tx, "acme", FIVE).await;
    shop.charge(&tx.downstream_key("charge")).await?;
    paid
}

/// What must not be done: the retry has another id.
#[idempotent(scope = "tenant")]
async fn pay_by_card_with_the_attempts_id(State(shop): State<Shop>, mut tx: Tx<Db>) -> Paid {
    let paid = pay(&mut tx, "acme", FIVE).await;
    shop.charge(&tx.attempt_id()).await?;
    paid
}

#[idempotent(scope = "tenant")]
async fn only_charge(
    State(shop): State<Shop>,
    keys: DownstreamKeys,
) -> Result<StatusCode, StatusCode> {
    shop.charge(&keys.key("charge")).await?;
    Ok(StatusCode::CREATED)
}

/// Sends the request to a node that dies at this point.
///
/// The node dies with its runtime: its tasks are dropped wherever they are, and its connections closed.
fn die_at(db: &TestDb, network: SocketAddr, path: &'static str, point: &'static str) {
    let node = tokio::runtime::Runtime::new().unwrap();
    node.block_on(async {
        let shop = Shop::on(db.pool().await, network, Some(point));
        let app = shop.app();
        let pay = payment(path).key(point);
        tokio::select! {
            answer = pay.send(&app) => panic!("it did not stop: {answer:?}"),
            () = shop.stopped.notified() => {}
        }
    });
    node.shutdown_background();
}

async fn crash(db: TestDb, network: SocketAddr, path: &'static str, point: &'static str) -> TestDb {
    let crashed = tokio::task::spawn_blocking(move || {
        die_at(&db, network, path, point);
        db
    });
    crashed.await.unwrap()
}

#[tokio::test]
async fn a_retry_after_a_crash_around_the_call_charges_once() {
    let network = Network::default();
    let address = network.start().await;
    for (path, payments) in [("/with-tx", 1), ("/without-tx", 0)] {
        for point in ["before-the-call", "after-the-call"] {
            let db = TestDb::new().await;
            engine(&db).await;
            let before = network.charges();
            let db = crash(db, address, path, point).await;
            let shop = Shop::on(db.pool().await, address, None);
            let retry = payment(path).key(point);
            let answer = once_it_is_over(&retry, &shop.app()).await;
            assert!(has_paid(&answer), "{path} {point} {answer:?}");
            assert_eq!(network.charges() - before, 1, "{path} {point}");
            assert_eq!(db.payments().await, payments, "{path} {point}");
            assert!(retry.send(&shop.app()).await.is_replay());
        }
    }
}

#[tokio::test]
async fn a_retry_with_the_attempts_id_charges_twice() {
    let network = Network::default();
    let address = network.start().await;
    let db = TestDb::new().await;
    engine(&db).await;
    let db = crash(db, address, "/attempt-id", "after-the-call").await;
    let shop = Shop::on(db.pool().await, address, None);
    let retry = payment("/attempt-id").key("after-the-call");
    assert!(has_paid(&once_it_is_over(&retry, &shop.app()).await));
    assert_eq!((db.payments().await, network.charges()), (1, 2));
}

#[tokio::test]
async fn a_retry_after_a_lost_answer_of_the_network_charges_once() {
    let network = Network::default();
    let address = network.start().await;
    let db = TestDb::new().await;
    engine(&db).await;
    let shop = Shop::on(db.pool().await, address, None);
    for path in ["/with-tx", "/without-tx"] {
        *network.loses.lock().unwrap() = 1;
        let pay = payment(path).key("k");
        let failed = pay.send(&shop.app()).await;
        assert_eq!(failed.status, 503, "{failed:?}");
        assert!(has_paid(&pay.send(&shop.app()).await), "{path}");
    }
    assert_eq!((db.payments().await, network.charges()), (1, 2));
}
