//! A member loses its group.

use idem_tests::clients::is_refusal;
use idem_tests::group_replication::{Cluster, NODES};

use crate::app::{App, effects_and_records, prepare};

/// MySQL's default: what it has received waits for the others, however long that takes.
#[tokio::test]
async fn a_commit_that_waits_for_a_lost_majority_gets_503_in_time() {
    let cluster = Cluster::lend().await;
    let name = "group_replication_unreachable_majority_timeout";
    cluster.set(name, "0").await;
    prepare(&cluster.url(0)).await;
    cluster.is_settled().await;
    let (cut_off, other) = (App::on(&cluster.url(2)), App::on(&cluster.url(0)));
    assert_eq!(cut_off.send("before").await.status, 201);
    cluster.cut_off(2).await;
    let refused = cut_off.send("k").await;
    assert!(is_refusal(&refused, 503), "{refused:?}");
    assert_eq!(cut_off.runs(), 2);
    // Its session still waits, with the lock of the key.
    let retry = cut_off.send("k").await;
    assert!(
        is_refusal(&retry, 409) || is_refusal(&retry, 503),
        "{retry:?}"
    );
    cluster.has_members(0, 2).await;
    let paid = other.send("k").await;
    assert_eq!(paid.status, 201, "{paid:?}");

    cluster.heal(2).await;
    cluster.is_whole().await;
    cluster.is_settled().await;
    assert!(App::on(&cluster.url(2)).send("k").await.is_replay());
    for node in NODES {
        let mut conn = cluster.connect(node).await;
        let counted = effects_and_records(&mut conn).await;
        assert_eq!(counted, (2, 2), "on node {node}");
    }
}

#[tokio::test]
async fn a_member_that_has_left_its_group_answers_nothing() {
    let cluster = Cluster::lend().await;
    prepare(&cluster.url(0)).await;
    cluster.is_settled().await;
    let (left, other) = (App::on(&cluster.url(2)), App::on(&cluster.url(0)));
    assert_eq!(left.send("k").await.status, 201);
    cluster.leave(2).await;
    for key in ["k", "new"] {
        let refused = left.send(key).await;
        assert!(is_refusal(&refused, 503), "{key}: {refused:?}");
    }
    assert_eq!(left.runs(), 1);
    assert_eq!(other.send("new").await.status, 201);

    cluster.heal(2).await;
    cluster.is_whole().await;
    cluster.is_settled().await;
    for key in ["k", "new"] {
        assert!(left.send(key).await.is_replay(), "{key}");
    }
    for node in NODES {
        let mut conn = cluster.connect(node).await;
        let counted = effects_and_records(&mut conn).await;
        assert_eq!(counted, (2, 2), "on node {node}");
    }
}
