//! Two servers certify the same key at once.

use idem_tests::clients::keys;

use crate::primaries::nodes::Nodes;

#[tokio::test]
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
