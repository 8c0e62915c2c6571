//! Three servers that all take writes: no key takes effect twice.
#![cfg(feature = "mysql")]
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "galera/inbox.rs"]
mod inbox;
#[path = "galera/migrating.rs"]
mod migrating;
#[path = "galera/nodes.rs"]
mod nodes;
#[path = "galera/observed.rs"]
mod observed;
#[path = "galera/swallowed.rs"]
mod swallowed;

use idem_tests::clients::{is_refusal, keys};
use idem_tests::galera::NODES;
use nodes::Nodes;

/// Concurrent attempts per key.
const ATTEMPTS: usize = 8;

#[tokio::test]
#[cfg_attr(idem_no_galera, ignore = "needs mariadbd, galera-4 and rsync")]
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
#[cfg_attr(idem_no_galera, ignore = "needs mariadbd, galera-4 and rsync")]
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
#[cfg_attr(idem_no_galera, ignore = "needs mariadbd, galera-4 and rsync")]
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
#[cfg_attr(idem_no_galera, ignore = "needs mariadbd, galera-4 and rsync")]
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

#[tokio::test]
#[cfg_attr(idem_no_galera, ignore = "needs mariadbd, galera-4 and rsync")]
async fn one_of_two_primaries_that_commit_a_key_at_once_gets_503() {
    let mut nodes = Nodes::start().await;
    let keys = keys("k", 1);
    let before = nodes.cluster.conflicts(0).await + nodes.cluster.conflicts(1).await;
    // While the third says nothing no COMMIT is ordered, so both are on their way at once.
    let frozen = nodes.cluster.freeze(2);
    for node in [0, 1] {
        nodes.clients.send(&keys[0], node, "tok_visa");
    }
    for node in [0, 1] {
        nodes.cluster.is_committing(node).await;
    }
    drop(frozen);
    let (mut paid, mut loser) = (0, None);
    for _ in 0..2 {
        let (node, answer) = nodes.clients.next_told().await;
        match answer.status.as_u16() {
            201 if !answer.is_replay() => paid += 1,
            503 => loser = Some(node),
            _ => panic!("{} on node {node}: {answer:?}", keys[0]),
        }
    }
    let loser = loser.expect("one is refused");
    assert_eq!(paid, 1);
    let after = nodes.cluster.conflicts(0).await + nodes.cluster.conflicts(1).await;
    assert!(after > before, "the servers have seen no conflict");
    let retry = nodes.clients.retry(&keys[0], loser).await;
    assert!(retry.is_replay(), "on node {loser}: {retry:?}");
    nodes.cluster.is_whole().await;
    nodes.each_is_paid_once(&keys).await;
}
