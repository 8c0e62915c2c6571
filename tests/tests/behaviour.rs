//! Idem's promises, tested the same way on every database.

#![allow(
    clippy::duplicate_mod,
    reason = "each file is compiled once per database"
)]
#![allow(
    clippy::mem_forget,
    clippy::panic,
    clippy::unwrap_used,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

/// Every database lists the folders of common tests, and its own.
#[cfg(feature = "sqlite")]
#[path = "behaviour/per_database/sqlite/mod.rs"]
mod sqlite;

#[cfg(all(feature = "postgres", not(idem_no_postgres)))]
#[path = "behaviour/per_database/postgres/mod.rs"]
mod postgres;

#[expect(
    dead_code,
    reason = "some of what these files share is for other files"
)]
#[cfg(all(feature = "postgres", not(any(idem_no_postgres, idem_no_pgbouncer))))]
#[path = "behaviour/per_database/pgbouncer/mod.rs"]
mod pgbouncer;

#[cfg(all(feature = "mysql", not(idem_no_mysql)))]
#[path = "behaviour/per_database/mysql/mod.rs"]
mod mysql;

/// Stands for all tests that need MariaDB, so that they count as ignored where it is missing.
#[cfg(all(feature = "mysql", idem_no_mysql))]
#[test]
#[ignore = "no MariaDB: set IDEM_TEST_MYSQL_URL or start Docker"]
fn mysql_is_missing() {
    panic!("no MariaDB: set IDEM_TEST_MYSQL_URL or start Docker");
}

/// Stands for all tests that need Postgres, so that they count as ignored where it is missing.
#[cfg(all(feature = "postgres", idem_no_postgres))]
#[test]
#[ignore = "no Postgres: set IDEM_TEST_POSTGRES_URL or start Docker"]
fn postgres_is_missing() {
    panic!("no Postgres: set IDEM_TEST_POSTGRES_URL or start Docker");
}

/// Stands for all tests that need PgBouncer, so that they count as ignored where it is missing.
#[cfg(all(feature = "postgres", idem_no_pgbouncer))]
#[test]
#[ignore = "no PgBouncer: install Debian's pgbouncer"]
fn pgbouncer_is_missing() {
    panic!("no PgBouncer: install Debian's pgbouncer");
}

/// Stands for all tests that need Citus, so that they count as ignored where no cluster is named.
#[cfg(all(feature = "postgres", not(idem_citus)))]
#[test]
#[ignore = "no Citus: set IDEM_TEST_CITUS_URL to a coordinator"]
fn citus_is_missing() {
    panic!("no Citus: set IDEM_TEST_CITUS_URL to a coordinator");
}
