//! Two primaries commit the same key at once.

use std::collections::BTreeMap;

use idem_tests::clients::keys;
use idem_tests::group_replication::{Cluster, NODES};
use idem_tests::proxy::{Action, Proxy};

use crate::primaries::nodes::Nodes;

/// Each holds the key's lock, which is its own server's, so both have run the handler.
#[tokio::test]
async fn one_of_two_primaries_that_commit_a_key_at_once_gets_503() {
    let cluster = Cluster::lend().await;
    let mut proxies = Vec::new();
    for node in NODES {
        proxies.push(Proxy::to(&cluster.url(node)).await);
    }
    let urls = proxies.iter().map(|proxy| proxy.url().to_owned()).collect();
    let mut nodes = Nodes::at(cluster, urls).await;
    let before = nodes.cluster.conflicts(0).await + nodes.cluster.conflicts(1).await;
    let keys = keys("k", 100);
    let mut told = BTreeMap::new();
    for key in &keys {
        let commits = [0, 1].map(|node| proxies[node].on("release savepoint", Action::Hold));
        for node in [0, 1] {
            nodes.clients.send(key, node, "tok_visa");
        }
        for commit in &commits {
            commit.reached().await;
        }
        for commit in &commits {
            commit.resume();
        }
        for _ in 0..2 {
            let (_, answer) = nodes.clients.next_told().await;
            let kind = (answer.status.as_u16(), answer.is_replay());
            *told.entry(kind).or_default() += 1;
        }
    }
    let expected = BTreeMap::from([((201, false), keys.len()), ((503, false), keys.len())]);
    assert_eq!(told, expected);
    let after = nodes.cluster.conflicts(0).await + nodes.cluster.conflicts(1).await;
    assert_eq!(after - before, u64::try_from(keys.len()).unwrap());
    nodes.each_is_paid_once(&keys).await;
}
