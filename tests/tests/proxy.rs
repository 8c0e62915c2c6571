//! The proxy that breaks connections, tested on every database server.

#![allow(
    clippy::duplicate_mod,
    reason = "the cases are compiled once per database"
)]
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[cfg(all(feature = "postgres", not(idem_no_postgres)))]
#[path = "."]
mod postgres {
    use idem_tests::postgres::{Db, INSERT_PAYMENT, TestDb};

    /// Locks the table `gate` until [`UNLOCK`].
    const LOCK: &str = "begin; lock table gate";
    const UNLOCK: &str = "rollback";

    /// Whether a statement waits for a lock.
    const SOMEONE_WAITS: &str = "select exists (select from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock')";

    #[path = "proxy/answers.rs"]
    mod answers;
    #[path = "proxy/outages.rs"]
    mod outages;
    #[path = "proxy/paying.rs"]
    mod paying;
    #[path = "proxy/postgres_log.rs"]
    mod server_log;
    #[path = "proxy/statements.rs"]
    mod statements;
}

#[cfg(all(feature = "mysql", not(idem_no_mysql)))]
#[path = "."]
mod mysql {
    use idem_tests::mysql::{Db, INSERT_PAYMENT, TestDb};

    /// Locks the table `gate` until [`UNLOCK`].
    const LOCK: &str = "lock tables gate write";
    const UNLOCK: &str = "unlock tables";

    /// Whether a statement waits for a lock. MySQL's view of the same name fails on statements with binary data.
    const SOMEONE_WAITS: &str = "select exists (select 1 from \
        /*M!100000 information_schema.processlist where db = database() and state */\
        /*!80000 performance_schema.threads where processlist_db = database() and processlist_state */ \
        = 'Waiting for table metadata lock')";

    #[path = "proxy/answers.rs"]
    mod answers;
    #[path = "proxy/outages.rs"]
    mod outages;
    #[path = "proxy/paying.rs"]
    mod paying;
    #[path = "proxy/results.rs"]
    mod results;
    #[path = "proxy/mysql_log.rs"]
    mod server_log;
    #[path = "proxy/statements.rs"]
    mod statements;
}
