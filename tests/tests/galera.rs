//! Three servers of a Galera cluster that all take writes.
#![cfg(feature = "mysql")]
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

/// Stands for all tests, so that they count as ignored where the programs are missing.
#[cfg(idem_no_galera)]
#[test]
#[ignore = "no Galera: install Debian's mariadb-server, galera-4 and rsync"]
fn galera_is_missing() {
    panic!("no Galera: install Debian's mariadb-server, galera-4 and rsync");
}

#[cfg(not(idem_no_galera))]
#[path = "galera/conflict.rs"]
mod conflict;
#[cfg(not(idem_no_galera))]
#[path = "primaries/mod.rs"]
mod primaries;

#[cfg(not(idem_no_galera))]
use idem_tests::galera as cluster;
