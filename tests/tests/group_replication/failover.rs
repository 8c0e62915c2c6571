//! The only primary is killed in the middle of its work, and another member goes on.

use std::collections::BTreeMap;

use idem_tests::clients::{Clients, is_refusal, keys};
use idem_tests::group_replication::{Cluster, FEATURE, Mode, NODES};
use idem_tests::process::start_payments;
use idem_tests::proxy::Proxy;
use sqlx::MySqlConnection;

use crate::app::App;

#[tokio::test]
async fn nothing_is_lost_or_paid_twice_when_the_primary_is_killed() {
    let group = Cluster::lend_as(Mode::SinglePrimary).await;
    let address = Proxy::to(&group.url(0)).await;
    let mut apps = Vec::new();
    for _ in 0..2 {
        apps.push(start_payments(FEATURE, address.url(), 10).await);
    }
    let mut clients = Clients::of(apps);
    let keys = keys("k", 1000);
    clients.begin(&keys);
    clients.paid(300).await;
    for secondary in [1, 2] {
        refuses(&group, secondary).await;
    }
    group.kill(0).await;
    let primary = group.primary_of(&[1, 2]).await;
    address.lead_to(&group.url(primary));
    clients.paid(keys.len()).await;
    let replayed = clients.retry_all(&keys).await;
    assert_eq!(replayed, keys.iter().cloned().collect());

    // It comes back with what it had when it was killed, and takes no writes before it has the rest.
    group.come_back(0).await;
    group.is_whole().await;
    for node in NODES {
        let mut conn = group.connect(node).await;
        clients.each_is_paid_once(&keys, node, &payments(&mut conn).await);
        let records = sqlx::query_scalar("select count(*) from idem_record");
        let records: i64 = records.fetch_one(&mut conn).await.unwrap();
        assert_eq!(usize::try_from(records), Ok(keys.len()), "node {node}");
        if node != primary {
            refuses(&group, node).await;
        }
    }
}

/// What runs meanwhile ends first, and what comes later finds a server that takes no writes.
#[tokio::test]
async fn nothing_fails_for_good_while_the_administrator_changes_the_primary() {
    let group = Cluster::lend_as(Mode::SinglePrimary).await;
    let address = Proxy::to(&group.url(0)).await;
    let apps = vec![start_payments(FEATURE, address.url(), 10).await];
    let mut clients = Clients::of(apps);
    let keys = keys("k", 300);
    clients.begin(&keys);
    clients.paid(100).await;
    group.make_primary(1).await;
    address.lead_to(&group.url(1));
    clients.paid(keys.len()).await;
    let replayed = clients.retry_all(&keys).await;
    assert_eq!(replayed, keys.iter().cloned().collect());
    for node in NODES {
        let mut conn = group.connect(node).await;
        clients.each_is_paid_once(&keys, node, &payments(&mut conn).await);
    }
}

/// A secondary may lack what the primary has committed, so it answers neither of these.
async fn refuses(group: &Cluster, secondary: usize) {
    let app = App::on(&group.url(secondary));
    let refused = app.send("new").await;
    assert!(is_refusal(&refused, 503), "node {secondary}: {refused:?}");
    assert_eq!(app.runs(), 0, "node {secondary}");
}

/// The number of payments per reference.
async fn payments(conn: &mut MySqlConnection) -> BTreeMap<String, i64> {
    let count = "select reference, count(*) from payment group by reference";
    let rows: Vec<(String, i64)> = sqlx::query_as(count).fetch_all(conn).await.unwrap();
    rows.into_iter().collect()
}
