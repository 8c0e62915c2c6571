//! A running attempt excludes only attempts of the same name. SQLite has no locks by name.

use idem_axum::engine::{Attempt, Claim, Completion, Engine, Operation, Scope, WhileRunning};

use super::TestDb;
use super::faults::cancellation::{attempt, fresh, pay_and_complete};
use super::support::app::engine;

/// Scope, operation and key: one of them differs, or all join to the same text.
const OTHERS: [[&str; 3]; 5] = [
    ["other", "pay", "k"],
    ["acme", "refund", "k"],
    ["acme", "pay", "l"],
    ["acm", "epay", "k"],
    ["acme", "pa", "yk"],
];

fn named([scope, operation, key]: [&str; 3]) -> Attempt {
    let mut attempt = attempt(key);
    attempt.name.scope = Scope::new(scope).unwrap();
    attempt.name.operation = Operation::new(operation).unwrap();
    attempt.policy.while_running = WhileRunning::Reject;
    attempt
}

#[tokio::test]
async fn a_running_attempt_excludes_no_other_tenant_operation_or_key() {
    let db = TestDb::new().await;
    let (mine, other) = (engine(&db).await, engine(&db).await);
    let running = fresh(&mine, "k").await;
    let own = other.claim(named(["acme", "pay", "k"])).await.unwrap();
    assert!(matches!(own, Claim::InFlight), "{own:?}");
    for name in OTHERS {
        let claim = other.claim(named(name)).await.unwrap();
        let Claim::Fresh(fresh) = claim else {
            panic!("{name:?}: {claim:?}");
        };
        fresh.release(Completion::default).await.unwrap();
    }
    pay_and_complete(running).await;
    assert_eq!(db.payments().await, 1);
}
