//! The programs of `docs/TESTING.md`: an application's own tests, on SQLite and on Postgres in a container.

#![allow(
    clippy::duplicate_mod,
    reason = "the application is compiled once per database"
)]
#![allow(clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[cfg(feature = "sqlite")]
#[path = "."]
mod sqlite {
    #[path = "testing/orders.rs"]
    mod orders;
    #[path = "testing/shop.rs"]
    mod shop;
    #[path = "testing/start.rs"]
    mod start;

    type Db = sqlx::Sqlite;
}

#[cfg(all(feature = "postgres", not(idem_no_docker)))]
#[path = "."]
mod postgres {
    #[path = "testing/container.rs"]
    mod container;
    #[path = "testing/shop.rs"]
    mod shop;

    type Db = sqlx::Postgres;
}

/// Stands for the tests that need Docker, so that they are counted as ignored.
#[cfg(all(feature = "postgres", idem_no_docker))]
#[test]
#[ignore = "no Docker to start a container with"]
fn docker_is_missing() {
    unreachable!("no Docker to start a container with");
}
