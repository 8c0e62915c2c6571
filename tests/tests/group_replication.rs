//! Three MySQL servers as one group of Group Replication, of which one or all take writes.
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

/// Stands for all tests, so that they count as ignored where there is no image of MySQL.
#[cfg(idem_no_group)]
#[test]
#[ignore = "no MySQL: start Docker, and pull mysql:9.7 or what IDEM_TEST_MYSQL_IMAGE names"]
fn mysql_is_missing() {
    panic!("no MySQL: start Docker, and pull mysql:9.7 or what IDEM_TEST_MYSQL_IMAGE names");
}

#[cfg(not(idem_no_group))]
#[path = "group_replication/app.rs"]
mod app;
#[cfg(not(idem_no_group))]
#[path = "group_replication/consistency.rs"]
mod consistency;
#[cfg(not(idem_no_group))]
#[path = "group_replication/cut_off.rs"]
mod cut_off;
#[cfg(not(idem_no_group))]
#[path = "group_replication/failover.rs"]
mod failover;
#[cfg(not(idem_no_group))]
#[path = "primaries/mod.rs"]
mod primaries;
#[cfg(not(idem_no_group))]
#[path = "group_replication/race.rs"]
mod race;

#[cfg(not(idem_no_group))]
use idem_tests::group_replication as cluster;
