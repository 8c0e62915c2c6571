//! What first writes cost on a node that stores many keys, and while expired ones are swept.

use std::future::pending;
use std::sync::Arc;

use idem_tests::http;
use sqlx::AssertSqlSafe;

use super::measured::Nodes;
use super::{KEY_COLUMN, RECORDS};
use crate::load::Endpoint;
use crate::nodes::{Node, Running};
use crate::options::Plan;
use crate::sides::{Side, Sides};

/// Nodes with so many stored keys, each beside the first one.
pub(crate) async fn grown<'p>(keys: &[u64], plan: &'p Plan) -> (Sides, Nodes<'p>) {
    let mut nodes = Nodes::new(plan);
    let mut sides = Vec::new();
    for keys in keys {
        let node = nodes.start(Node::Idem, *keys).await;
        sides.push(Endpoint::writing(&node).side(format!("{keys} keys")));
    }
    let sides = Sides {
        what: "first writes, by stored keys".to_owned(),
        references: 1,
        sides,
    };
    (sides, nodes)
}

/// A node that sweeps its expired keys while it is measured, beside itself at rest.
pub(crate) async fn swept(expired: u64, plan: &Plan) -> (Sides, Nodes<'_>) {
    let mut nodes = Nodes::new(plan);
    let node = nodes.start_expired(expired).await;
    let endpoint = Endpoint::writing(&node);
    let at_rest = endpoint.clone().side("at rest");
    let sweeping = Side::new("while it sweeps", move |at_once, length| {
        let (node, writes) = (Arc::clone(&node), endpoint.turn(at_once, length));
        async move {
            tokio::select! {
                turn = writes => turn,
                () = sweep(&node) => unreachable!("it sweeps until its turn is over"),
            }
        }
    });
    let sides = Sides {
        what: "first writes, beside a sweep".to_owned(),
        references: 1,
        sides: vec![at_rest, sweeping],
    };
    (sides, nodes)
}

/// The sweep ends when its request is dropped, and goes on in the next turn.
async fn sweep(node: &Running) {
    let swept = http::post("/sweep").send_to(node.address).await.unwrap();
    assert!(swept.status.is_success(), "{swept:?}");
    // Nothing is left.
    pending::<()>().await;
}

/// How many of the keys that were stored by statements are still there.
pub(crate) async fn unswept(nodes: &Nodes<'_>) -> i64 {
    let pool = nodes.databases[0].pool_of(1).await;
    let count = format!("select count(*) from {RECORDS} where {KEY_COLUMN} like '%-0000000%'");
    let count = sqlx::query_scalar(AssertSqlSafe(count));
    count.fetch_one(&pool).await.unwrap()
}
