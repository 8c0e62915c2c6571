//! Sessions that another user of the pool left with an open snapshot, open writes or locks.

use axum::http::StatusCode;
use axum::routing::post;
use axum::{Extension, Json, Router};
use idem_axum::engine::{Attempt, Claim, Engine, Inbox, Message, RecordFilter, WhileRunning};
use idem_axum::{Idempotency, Scope, Tx, idempotent};
use idem_tests::a_moment;
use sqlx::{Executor, Pool};

use super::faults::cancellation::attempt;
use super::inbox::delivery::{deliver, pay};
use super::servers::invisible_record::{refused, start_with};
use super::servers::session_state::settings;
use super::support::app::{
    AppState, FIVE, NewPayment, Paid, Tenant, create_payment, engine, has_paid, pay as pay_in,
    payment, problem,
};
use super::{Db, INSERT_PAYMENT, TestDb};

/// Statements that leave a session with an open snapshot.
pub const SNAPSHOTS: [&str; 4] = [
    "set autocommit = 0; select count(*) from idem_record",
    "set autocommit = 0, completion_type = 1; select count(*) from idem_record",
    "start transaction with consistent snapshot",
    "start transaction with consistent snapshot, read only",
];

/// Pays outside the attempt's transaction.
#[idempotent(scope = "tenant")]
async fn pay_elsewhere(
    Tenant(tenant): Tenant,
    Extension(Elsewhere(pool)): Extension<Elsewhere>,
    Json(new): Json<NewPayment>,
) -> StatusCode {
    let insert = sqlx::query(INSERT_PAYMENT).bind(tenant).bind(new.amount);
    let paid = insert.bind("-").execute(&pool).await;
    paid.map_or(StatusCode::CONFLICT, |_| StatusCode::CREATED)
}

#[derive(Clone)]
struct Elsewhere(Pool<Db>);

/// A node with one session, and another node.
pub struct Nodes {
    pub db: TestDb,
    /// The pool with the one session.
    pub pool: Pool<Db>,
    app: Router,
    pub other: Router,
}

impl Nodes {
    pub async fn start() -> Self {
        let db = TestDb::new().await;
        let other = engine(&db).await;
        let pool = db.pool_of(1).await;
        let elsewhere = other.pool().clone();
        let with = |idem: Idempotency<Db>| {
            let own = Router::new()
                .route("/elsewhere", post(pay_elsewhere))
                .route("/payments", post(create_payment))
                .layer(Extension(Elsewhere(elsewhere.clone())));
            own.with_state(AppState::new(idem))
        };
        let app = with(Idempotency::new(pool.clone()));
        let other = with(other);
        Self {
            db,
            pool,
            app,
            other,
        }
    }

    /// Runs what the session's last user left behind.
    pub async fn leave(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.pool).await.unwrap();
    }

    /// The id of the pool's one session.
    async fn session(&self) -> i64 {
        let id = sqlx::query_scalar("select cast(connection_id() as signed)");
        id.fetch_one(&self.pool).await.unwrap()
    }

    /// Waits until the server has ended a closed session and released its locks.
    async fn has_ended(&self, session: i64) {
        let pool = self.db.pool_of(1).await;
        let count = "select count(*) from /*M!100000 information_schema.processlist where id */ \
            /*!80000 performance_schema.threads where processlist_id */ = ?";
        let is_there = || sqlx::query_scalar::<_, i64>(count).bind(session);
        while is_there().fetch_one(&pool).await.unwrap() > 0 {
            a_moment().await;
        }
    }

    /// Whether the session sees everything that is committed.
    pub async fn sees_all(&self) -> bool {
        let count = sqlx::query_scalar::<_, i64>("select count(*) from payment");
        count.fetch_one(&self.pool).await.unwrap() == self.db.payments().await
    }
}

#[tokio::test]
async fn a_record_committed_after_a_leftover_snapshot_is_replayed() {
    for left in SNAPSHOTS {
        for path in ["/payments", "/elsewhere"] {
            let nodes = Nodes::start().await;
            let pay = payment(path).key("k");
            nodes.leave(left).await;
            assert!(has_paid(&pay.send(&nodes.other).await));
            let retry = pay.send(&nodes.app).await;
            assert!(retry.is_replay(), "{left}: {path}: {retry:?}");

            nodes.leave(left).await;
            let pay = payment(path).key("m");
            assert!(has_paid(&pay.send(&nodes.other).await));
            let reused = pay.clone().body(r#"{"amount":6}"#).send(&nodes.app).await;
            let told = (422, "key-reused".to_owned());
            assert_eq!(problem(&reused), told, "{left}: {path}");
            assert_eq!(nodes.db.payments().await, 2, "{left}: {path}");
        }
    }
}

#[tokio::test]
async fn an_attempt_on_a_session_with_a_leftover_snapshot_runs_once() {
    for left in SNAPSHOTS {
        for path in ["/payments", "/elsewhere"] {
            let nodes = Nodes::start().await;
            nodes.leave(left).await;
            let before = settings(&nodes.pool).await;
            let pay = payment(path).key("k");
            let paid = pay.send(&nodes.app).await;
            assert!(has_paid(&paid), "{left}: {path}: {paid:?}");
            assert_eq!(settings(&nodes.pool).await, before, "{left}: {path}");
            assert!(pay.send(&nodes.other).await.is_replay());
            assert!(nodes.sees_all().await, "{left}: {path}");
        }
    }
}

#[tokio::test]
async fn an_attempt_of_another_node_is_in_flight_despite_a_leftover_snapshot() {
    let nodes = Nodes::start().await;
    let other = Idempotency::new(nodes.db.pool_of(1).await);
    for left in SNAPSHOTS {
        let idem = Idempotency::new(nodes.pool.clone());
        nodes.leave(left).await;
        let Claim::Fresh(first) = other.claim(attempt("k")).await.unwrap() else {
            panic!("{left}");
        };
        let second = idem.claim(impatient("k")).await.unwrap();
        assert!(matches!(second, Claim::InFlight), "{left}: {second:?}");
        first.release(|| panic!("it is not broken")).await.unwrap();
        let third = idem.claim(impatient("k")).await.unwrap();
        assert!(matches!(third, Claim::Fresh(_)), "{left}: {third:?}");
    }
}

/// An attempt that does not wait for a running one.
pub fn impatient(key: &str) -> Attempt {
    let mut attempt = attempt(key);
    attempt.policy.while_running = WhileRunning::Reject;
    attempt
}

/// Their author has not committed them.
#[tokio::test]
async fn leftover_uncommitted_writes_are_rolled_back() {
    let insert = "insert into payment (tenant, amount, reference) values ('left', 1, '-')";
    for begin in ["begin", "set autocommit = 0"] {
        for then in [
            "pay", "replay", "fail", "sweep", "erase", "records", "roll out", "watch",
        ] {
            let nodes = Nodes::start().await;
            let idem = Idempotency::new(nodes.pool.clone());
            let pay = payment("/payments").key("k");
            assert!(has_paid(&pay.send(&nodes.other).await));
            let left = format!("{begin}; {insert}");
            let left = sqlx::raw_sql(sqlx::AssertSqlSafe(left));
            left.execute(&nodes.pool).await.unwrap();
            let mut paid = 1;
            match then {
                "pay" => {
                    let pay = payment("/payments").key("another");
                    assert!(has_paid(&pay.send(&nodes.app).await));
                    paid += 1;
                }
                "replay" => assert!(pay.send(&nodes.app).await.is_replay()),
                "fail" => {
                    let fail = pay.clone().body(r#"{"amount":6}"#);
                    assert_eq!(fail.send(&nodes.app).await.status, 422);
                }
                "sweep" => assert_eq!(idem.sweep().await.unwrap(), 0),
                "erase" => {
                    let scope = Scope::new("nobody").unwrap();
                    assert_eq!(idem.erase(&scope, "test").await.unwrap(), 0);
                }
                "records" => {
                    let all = idem.records(&RecordFilter::default(), None, 10).await;
                    assert_eq!(all.unwrap().len(), 1);
                }
                "roll out" => assert!(!idem.read_rollout().await.unwrap()),
                _ => drop(idem.observe_without_tx(attempt("k")).await),
            }
            nodes.leave("commit").await;
            assert_eq!(nodes.db.payments().await, paid, "{begin}: {then}");
        }
    }
}

/// `set transaction` without `session` applies to the next transaction only.
#[tokio::test]
async fn a_leftover_set_transaction_does_not_apply_to_the_attempt() {
    let nodes = Nodes::start().await;
    for (key, left) in [
        "set transaction read only",
        "set transaction isolation level serializable",
        "set transaction isolation level read uncommitted, read only",
    ]
    .iter()
    .enumerate()
    {
        nodes.leave(left).await;
        let pay = payment("/payments").key(&key.to_string());
        let paid = pay.send(&nodes.app).await;
        assert!(has_paid(&paid), "{left}: {paid:?}");
        assert!(pay.send(&nodes.app).await.is_replay(), "{left}");
    }
    assert_eq!(nodes.db.payments().await, 3);
}

#[tokio::test]
async fn a_leftover_read_uncommitted_does_not_show_an_uncommitted_record() {
    let mut pool = None;
    let (db, app, record) = start_with(async |db: &TestDb| {
        engine(db).await;
        let one = pool.insert(db.pool_of(1).await);
        Idempotency::new(one.clone())
    })
    .await;
    let left = "set transaction isolation level read uncommitted";
    pool.unwrap().execute(left).await.unwrap();
    refused(&app).await;
    record.rollback().await.unwrap();
    assert_eq!(db.payments().await, 1);
}

/// In each mode, for a handler that asks for an isolation level.
#[tokio::test]
async fn a_handler_gets_its_isolation_despite_a_leftover_snapshot() {
    for left in SNAPSHOTS {
        for mode in ["off", "observe", "enforce"] {
            let nodes = Nodes::start().await;
            let idem = Idempotency::builder(nodes.pool.clone()).rollout(mode.parse().unwrap());
            let app = Router::new()
                .route("/serializable", post(pay_serializable))
                .with_state(AppState::new(idem.build()));
            nodes.leave(left).await;
            let paid = payment("/serializable").key("k").send(&app).await;
            assert!(has_paid(&paid), "{left}: {mode}: {paid:?}");
            assert_eq!(nodes.db.payments().await, 1, "{left}: {mode}");
        }
    }
}

#[idempotent(scope = "tenant", isolation = "serializable")]
async fn pay_serializable(tenant: Tenant, mut tx: Tx<Db>) -> Paid {
    pay_in(&mut tx, &tenant.0, FIVE).await
}

/// Nothing runs on such a session, and the next attempt gets a new one.
#[tokio::test]
async fn a_session_that_cannot_begin_a_transaction_is_closed() {
    for left in ["lock tables payment write", "xa start 'left'"] {
        let nodes = Nodes::start().await;
        let session = nodes.session().await;
        nodes.leave(left).await;
        let pay = payment("/payments").key("k");
        let refused = pay.send(&nodes.app).await;
        let told = (503, "store-unavailable".to_owned());
        assert_eq!(problem(&refused), told, "{left}");
        // Until then a retry finds the session's lock, and is refused as in flight.
        nodes.has_ended(session).await;
        let paid = pay.send(&nodes.app).await;
        assert!(has_paid(&paid), "{left}: {paid:?}");
        assert_eq!(nodes.db.payments().await, 1, "{left}");
    }
}

/// `completion_type` makes COMMIT begin the next transaction or end the session.
#[tokio::test]
async fn a_session_with_a_completion_type_still_serves_attempts() {
    for left in ["set completion_type = 1", "set completion_type = 2"] {
        let nodes = Nodes::start().await;
        for key in ["1", "2"] {
            nodes.leave(left).await;
            let pay = payment("/payments").key(key);
            let paid = pay.send(&nodes.app).await;
            assert!(has_paid(&paid), "{left}: {paid:?}");
            assert!(pay.send(&nodes.app).await.is_replay(), "{left}");
            assert_eq!(
                Idempotency::new(nodes.pool.clone()).sweep().await.unwrap(),
                0
            );
        }
        assert_eq!(nodes.db.payments().await, 2, "{left}");
    }
}

/// The inbox handles a message once on such a session too.
#[tokio::test]
async fn the_inbox_handles_a_message_once_despite_a_leftover_snapshot() {
    for left in SNAPSHOTS {
        let nodes = Nodes::start().await;
        let inbox = Inbox::new(Idempotency::new(nodes.pool.clone()));
        let other = Inbox::new(Idempotency::new(nodes.db.pool_of(1).await));
        nodes.leave(left).await;
        deliver(&other, "m1").await.unwrap();
        inbox
            .process("billing", "m1", async |_: &mut Tx<'_, Db>| {
                Err::<(), _>("it was handled")
            })
            .await
            .unwrap();
        nodes.leave(left).await;
        deliver(&other, "m2").await.unwrap();
        let messages = ["m1", "m2", "m3"].map(Message::new);
        let mut batch = inbox.process_batch("billing", messages).unwrap();
        while let Some(mut message) = batch.next().await.unwrap() {
            pay(&mut message.tx()).await.unwrap();
            message.done();
        }
        batch.finish().await.unwrap();
        assert_eq!(nodes.db.payments().await, 3, "{left}");
    }
}
