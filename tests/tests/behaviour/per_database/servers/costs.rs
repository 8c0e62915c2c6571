//! What an attempt sends to the database, beside a transaction without Idem.

use std::sync::Arc;

use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{Tx, idempotent};
use idem_tests::a_moment;
use idem_tests::http::Answer;
use idem_tests::proxy::{Proxy, Traffic};
use sqlx::Pool;
use sqlx::pool::PoolOptions;

use super::support::app::{
    AppState, NewPayment, Paid, Tenant, create_payment, engine, has_paid, pay, payment,
};
use super::support::statements::app;
use super::{Db, INSERT_PAYMENT, MORE_MESSAGES, MORE_TEXTS, MORE_UNTIL_COMMIT, TestDb, idem_on};

/// The acquired connection is pinged, and again when it is back, as with every pool of SQLx.
#[tokio::test]
async fn a_first_write_and_its_replays_cost_few_messages() {
    let costs = Costs::start(PING).await;
    let bare = costs.of(bare(&costs.pool)).await;
    assert_eq!(bare.statements.len(), 3);
    let first = costs.of(costs.pay("k")).await;
    // A statement that is sent with a ping may count as one message with it.
    let more = first.round_trips - bare.round_trips;
    assert!(more <= MORE_MESSAGES, "{first:#?}");
    assert_eq!(first.statements.len() - 3, MORE_TEXTS, "{first:#?}");
    let more = until_commit(&first) - until_commit(&bare);
    assert_eq!(more, MORE_UNTIL_COMMIT, "{first:#?}");
    let known = costs.of(costs.pay("k")).await;
    assert_eq!(known.round_trips - 2, 1, "{known:#?}");
    let other_node = app(idem_on(costs.pool.clone()).build(), Arc::default());
    let other = costs.of(payment("/act").key("k").send(&other_node)).await;
    assert_eq!(other.round_trips - 2, 2, "{other:#?}");
}

#[tokio::test]
async fn a_replay_costs_one_message_where_retries_are_expected() {
    let costs = Costs::start(PING).await;
    let node = || {
        let state = AppState::new(idem_on(costs.pool.clone()).build());
        let routes = Router::new().route("/expects-retries", post(pay_again));
        routes
            .route("/payments", post(create_payment))
            .with_state(state)
    };
    let pay = |key| payment("/expects-retries").key(key);
    assert!(has_paid(&pay("k").send(&node()).await));
    let other_node = node();
    let replay = costs.of(pay("k").send(&other_node)).await;
    assert_eq!(replay.round_trips - 2, 1, "{replay:#?}");
    let first = costs.of(pay("first").send(&other_node)).await;
    let claimed = payment("/payments").key("first");
    let claimed = costs.of(claimed.send(&other_node)).await;
    let more = first.statements.len() - claimed.statements.len();
    assert_eq!(more, 1, "{first:#?} {claimed:#?}");
}

#[idempotent(scope = "tenant", expect = "retries")]
async fn pay_again(Tenant(tenant): Tenant, mut tx: Tx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx, &tenant, new).await
}

#[tokio::test]
async fn a_pool_that_does_not_ping_spares_a_message() {
    let pinging = Costs::start(PING).await;
    let silent = Costs::start(!PING).await;
    let pinging = pinging.of(pinging.pay("k")).await;
    let silent = silent.of(silent.pay("k")).await;
    assert_eq!(
        pinging.messages - silent.messages,
        1,
        "{pinging:#?} {silent:#?}"
    );
}

/// Whether the pool tests a connection before it lends it, as it does by default.
const PING: bool = true;

/// One connection on which all statements are prepared.
struct Costs {
    _db: TestDb,
    proxy: Proxy,
    pool: Pool<Db>,
    app: Router,
}

impl Costs {
    async fn start(pings: bool) -> Self {
        let db = TestDb::new().await;
        engine(&db).await.pool().close().await;
        let proxy = Proxy::to(&db.url()).await;
        let pool = PoolOptions::<Db>::new()
            .max_connections(1)
            .test_before_acquire(pings);
        let pool = pool.connect(proxy.url()).await.unwrap();
        let app = app(idem_on(pool.clone()).build(), Arc::default());
        let costs = Self {
            _db: db,
            proxy,
            pool,
            app,
        };
        for key in ["warm", "warmer"] {
            bare(&costs.pool).await;
            assert!(has_paid(&costs.pay(key).await));
            assert!(costs.pay(key).await.is_replay());
        }
        costs
    }

    async fn pay(&self, key: &str) -> Answer {
        payment("/act").key(key).send(&self.app).await
    }

    /// What some work sends, until its connection is back in the pool.
    async fn of<T>(&self, work: impl Future<Output = T>) -> Traffic {
        self.is_idle().await;
        self.proxy.forget();
        work.await;
        self.is_idle().await;
        self.proxy.traffic()
    }

    async fn is_idle(&self) {
        while self.pool.num_idle() < 1 {
            a_moment().await;
        }
    }
}

/// How many statements are sent until the COMMIT, whose answer is the last that the client waits for.
fn until_commit(traffic: &Traffic) -> usize {
    let commits = |text: &String| text == "COMMIT" || text.contains("; commit");
    traffic.statements.iter().position(commits).unwrap() + 1
}

/// What the handler does, without Idem.
#[expect(
    clippy::disallowed_methods,
    reason = "this is what Idem is compared with"
)]
async fn bare(pool: &Pool<Db>) {
    let mut tx = pool.begin().await.unwrap();
    let insert = sqlx::query(INSERT_PAYMENT)
        .bind("acme")
        .bind(5_i64)
        .bind("-");
    insert.fetch_one(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}
