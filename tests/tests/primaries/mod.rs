//! Several servers that all take writes, of either kind of cluster: no key takes effect twice.

mod inbox;
mod migrating;
pub mod nodes;
mod observed;
mod swallowed;

use idem_tests::clients::{is_refusal, keys};

use self::nodes::Nodes;
use crate::cluster::NODES;

/// Concurrent attempts per key.
const ATTEMPTS: usize = 8;

#[tokio::test]
async fn one_of_many_attempts_on_three_primaries_pays() {
    let mut nodes = Nodes::start().await;
    let keys = keys("k", 100);
    for (number, key) in keys.iter().enumerate() {
        for attempt in 0..ATTEMPTS {
            nodes.clients.send(key, (number + attempt) % 3, "tok_visa");
        }
    }
    nodes.clients.all_told().await;
    nodes.each_is_paid_once(&keys).await;
}

#[tokio::test]
async fn two_primaries_pay_while_the_third_is_frozen_and_nothing_is_paid_twice() {
    let mut nodes = Nodes::start().await;
    let mut all = keys("before", 60);
    for key in &all {
        NODES.for_each(|node| nodes.clients.send(key, node, "tok_visa"));
    }
    // Some are done, some are on their way, and some COMMITs are in the server that stops.
    for _ in 0..20 {
        nodes.clients.next_told().await;
    }
    let frozen = nodes.cluster.freeze(2);
    let meanwhile = keys("meanwhile", 20);
    for key in &meanwhile {
        NODES.for_each(|node| nodes.clients.send(key, node, "tok_visa"));
    }
    for node in [0, 1] {
        nodes.cluster.has_members(node, 2).await;
        let key = format!("without-{node}");
        let paid = nodes.clients.retry(&key, node).await;
        assert_eq!(paid.status, 201, "{key} on node {node}: {paid:?}");
        all.push(key);
    }
    drop(frozen);
    nodes.cluster.is_whole().await;
    nodes.clients.all_told().await;
    all.extend(meanwhile);
    nodes.each_is_paid_once(&all).await;
}

#[tokio::test]
async fn a_commit_in_a_primary_that_freezes_before_its_acknowledgement_is_replayed() {
    let mut nodes = Nodes::start().await;
    let keys = keys("k", 1);
    // A COMMIT is done when the others have said that they have received it.
    let others = [nodes.cluster.freeze(0), nodes.cluster.freeze(1)];
    nodes.clients.send(&keys[0], 2, "tok_visa");
    nodes.cluster.is_committing(2).await;
    let frozen = nodes.cluster.freeze(2);
    drop(others);
    for node in [0, 1] {
        nodes.cluster.has_members(node, 2).await;
        nodes.clients.retry(&keys[0], node).await;
    }
    drop(frozen);
    nodes.cluster.is_whole().await;
    nodes.clients.all_told().await;
    nodes.each_is_paid_once(&keys).await;
}

#[tokio::test]
async fn an_isolated_primary_runs_nothing_and_returns_503() {
    let mut nodes = Nodes::start().await;
    let mut all = keys("before", 60);
    for key in &all {
        NODES.for_each(|node| nodes.clients.send(key, node, "tok_visa"));
    }
    // Some are running when the network is cut.
    nodes.clients.next_told().await;
    nodes.cluster.isolate(2).await;
    nodes.clients.all_told().await;
    let written = nodes.written(2).await;

    let meanwhile = keys("meanwhile", 20);
    for key in &meanwhile {
        let refused = nodes.clients.attempt(key, 2).await;
        assert!(
            is_refusal(&refused, 503),
            "{key} on the cut-off node: {refused:?}"
        );
        for node in [0, 1] {
            let paid = nodes.clients.retry(key, node).await;
            assert_eq!(paid.status, 201, "{key} on node {node}: {paid:?}");
            assert_eq!(
                paid.is_replay(),
                node == 1,
                "{key} on node {node}: {paid:?}"
            );
        }
    }
    assert_eq!(
        nodes.written(2).await,
        written,
        "written on the cut-off node"
    );

    nodes.cluster.heal(2).await;
    nodes.cluster.is_whole().await;
    all.extend(meanwhile);
    nodes.each_is_paid_once(&all).await;
}
