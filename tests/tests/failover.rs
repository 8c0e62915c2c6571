//! The primary is killed in the middle of its work, and its standby goes on.
#![cfg(feature = "postgres")]
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "failover/astray.rs"]
mod astray;

use std::collections::{BTreeMap, BTreeSet};

use idem_tests::clients::{Clients, keys};
use idem_tests::postgres::FEATURE;
use idem_tests::postgres_pair::{Copying, Pair};
use idem_tests::process::{Process, start_payments};
use idem_tests::proxy::Proxy;
use sqlx::{Connection, PgConnection};

#[tokio::test]
#[cfg_attr(idem_no_docker, ignore = "needs Docker")]
async fn nothing_that_a_synchronous_standby_has_is_lost_or_paid_twice() {
    let pair = Pair::start(Copying::Synchronous).await;
    let mut nodes = Nodes::start(&pair).await;
    let keys = keys("k", 1000);
    nodes.clients.begin(&keys);
    nodes.clients.paid(300).await;
    pair.kill().await;
    pair.promote().await;
    nodes.address.lead_to(&pair.second());
    nodes.clients.paid(keys.len()).await;
    let replayed = nodes.clients.retry_all(&keys).await;
    assert_eq!(replayed, keys.iter().cloned().collect());
    nodes.are_paid_once(&keys, &pair.second()).await;
}

#[tokio::test]
#[cfg_attr(idem_no_docker, ignore = "needs Docker")]
async fn what_an_asynchronous_standby_lacks_is_lost_with_its_record_and_paid_again() {
    let pair = Pair::start(Copying::Asynchronous).await;
    let mut nodes = Nodes::start(&pair).await;
    let (kept, lost) = (keys("kept", 100), keys("lost", 100));
    nodes.clients.begin(&kept);
    nodes.clients.paid(kept.len()).await;
    pair.has_all().await;
    pair.cut_off_standby().await;
    nodes.clients.begin(&lost);
    nodes.clients.paid(kept.len() + lost.len()).await;
    pair.kill().await;
    pair.promote().await;

    assert_eq!(records_and_payments(&pair.second()).await, (100, 100));
    // Clients that do not compare with what they were told before.
    nodes.clients.forget();
    nodes.address.lead_to(&pair.second());
    let all = [kept.clone(), lost].concat();
    let replayed = nodes.clients.retry_all(&all).await;
    assert_eq!(replayed, BTreeSet::from_iter(kept));
    nodes.are_paid_once(&all, &pair.second()).await;
}

/// Two nodes of the app at an address that follows the primary.
struct Nodes {
    address: Proxy,
    clients: Clients,
}

impl Nodes {
    async fn start(pair: &Pair) -> Self {
        let address = Proxy::to(&pair.first()).await;
        let apps = vec![app(address.url()).await, app(address.url()).await];
        let clients = Clients::of(apps);
        Self { address, clients }
    }

    async fn are_paid_once(&self, keys: &[String], url: &str) {
        let mut conn = PgConnection::connect(url).await.unwrap();
        let count = "select reference, count(*) from payment group by reference";
        let paid: Vec<(String, i64)> = sqlx::query_as(count).fetch_all(&mut conn).await.unwrap();
        let paid = BTreeMap::from_iter(paid);
        self.clients.each_is_paid_once(keys, 0, &paid);
        let all = i64::try_from(keys.len()).unwrap();
        assert_eq!(records_and_payments(url).await, (all, all));
    }
}

async fn app(url: &str) -> Process {
    start_payments(FEATURE, url, 10).await
}

/// How many of both are stored.
async fn records_and_payments(url: &str) -> (i64, i64) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    let count = "select (select count(*) from idem.record), (select count(*) from payment)";
    sqlx::query_as(count).fetch_one(&mut conn).await.unwrap()
}
