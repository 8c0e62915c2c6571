//! `group_replication_consistency` decides what a retry on another member finds.

use std::sync::Arc;

use idem_tests::clients::{is_refusal, keys};
use idem_tests::group_replication::{Cluster, Mode, NODES};
use sqlx::MySqlConnection;

use crate::app::{App, effects_and_records, prepare};
use crate::primaries::nodes::Nodes;

const CONSISTENCY: &str = "group_replication_consistency";

/// The new primary takes no writes before it has applied what the former one had acknowledged.
#[tokio::test]
async fn a_retry_right_after_a_failover_is_refused_until_its_record_is_there() {
    let mut failover = Failover::with("'EVENTUAL'").await;
    let refused = failover.app.send("k").await;
    assert!(is_refusal(&refused, 503), "{refused:?}");
    failover.apply().await;
    failover.replays().await;
}

/// The default since MySQL 9: it holds reads, too, until then.
#[tokio::test]
async fn a_retry_right_after_a_failover_waits_for_its_record() {
    let mut failover = Failover::with("'BEFORE_ON_PRIMARY_FAILOVER'").await;
    let app = Arc::clone(&failover.app);
    let retry = tokio::spawn(async move { app.send("k").await });
    let (group, primary) = (&failover.group, failover.primary);
    group.is_holding(primary, "rollback").await;
    failover.apply().await;
    let told = retry.await.unwrap();
    assert!(told.is_replay() || is_refusal(&told, 503), "{told:?}");
    failover.replays().await;
}

/// A group whose primary was killed before the others have applied what it had acknowledged.
struct Failover {
    group: Cluster,
    primary: usize,
    /// On the new primary.
    app: Arc<App>,
    /// Each keeps a member from writing a table.
    locks: Vec<MySqlConnection>,
}

impl Failover {
    async fn with(consistency: &str) -> Self {
        let group = Cluster::lend_as(Mode::SinglePrimary).await;
        prepare(&group.url(0)).await;
        let mut locks = Vec::new();
        for node in [1, 2] {
            let mut lock = group.connect(node).await;
            sqlx::raw_sql(LOCK).execute(&mut lock).await.unwrap();
            locks.push(lock);
        }
        group.set(CONSISTENCY, consistency).await;
        let first = App::on(&group.url(0));
        let paid = first.send("k").await;
        assert_eq!(paid.status, 201, "{paid:?}");
        group.kill(0).await;
        let primary = group.elected_of(&[1, 2]).await;
        let app = Arc::new(App::on(&group.url(primary)));
        Self {
            group,
            primary,
            app,
            locks,
        }
    }

    /// Lets the members write again.
    async fn apply(&mut self) {
        for mut lock in self.locks.drain(..) {
            sqlx::raw_sql(UNLOCK).execute(&mut lock).await.unwrap();
        }
    }

    /// The first answer of the new primary is a replay, and nothing has run there.
    async fn replays(&self) {
        let primary = self.group.primary_of(&[self.primary]).await;
        let answer = self.app.send("k").await;
        assert!(answer.is_replay(), "{answer:?}");
        assert_eq!(self.app.runs(), 0);
        let mut conn = self.group.connect(primary).await;
        assert_eq!(effects_and_records(&mut conn).await, (1, 1));
    }
}

/// The record that it did not see refuses it.
#[tokio::test]
async fn a_retry_on_a_primary_that_has_not_applied_its_record_runs_in_vain() {
    let cluster = Cluster::lend().await;
    prepare(&cluster.url(0)).await;
    let mut lock = cluster.connect(1).await;
    sqlx::raw_sql(LOCK).execute(&mut lock).await.unwrap();
    let (first, second) = (App::on(&cluster.url(0)), App::on(&cluster.url(1)));
    assert_eq!(first.send("k").await.status, 201);
    let unlocked = async {
        second.has_begun().await;
        sqlx::raw_sql(UNLOCK).execute(&mut lock).await.unwrap();
    };
    let (told, ()) = tokio::join!(second.send("k"), unlocked);
    assert!(told.is_replay() || is_refusal(&told, 503), "{told:?}");
    assert_eq!(second.runs(), 1);
    assert!(second.send("k").await.is_replay());
    for node in NODES {
        let mut conn = cluster.connect(node).await;
        let counted = effects_and_records(&mut conn).await;
        assert_eq!(counted, (1, 1), "on node {node}");
    }
}

/// With `AFTER` a COMMIT is acknowledged once all have it, with `BEFORE` a read waits for it.
#[tokio::test]
async fn a_retry_on_another_primary_is_replayed_at_once() {
    for consistency in ["'AFTER'", "'BEFORE'"] {
        let cluster = Cluster::lend().await;
        cluster.set(CONSISTENCY, consistency).await;
        let urls = NODES.map(|node| cluster.url(node)).collect();
        let mut nodes = Nodes::at(cluster, urls).await;
        let keys = keys("k", 50);
        for (number, key) in keys.iter().enumerate() {
            let paid = nodes.clients.attempt(key, number % 3).await;
            assert_eq!(paid.status, 201, "{consistency}: {paid:?}");
            let retry = nodes.clients.attempt(key, (number + 1) % 3).await;
            assert!(retry.is_replay(), "{consistency}: {retry:?}");
        }
        nodes.each_is_paid_once(&keys).await;
    }
}

/// Neither a client nor what other members have committed writes the table then. The session itself waits for
/// nothing: to unlock, it would wait for what it keeps from being applied.
const LOCK: &str =
    "set session group_replication_consistency = 'EVENTUAL'; lock tables effect read";
const UNLOCK: &str = "unlock tables";
