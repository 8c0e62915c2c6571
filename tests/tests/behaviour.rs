//! What Idem promises, tested the same way on every database.

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

/// One module per file of `behaviour/`. Each finds its database in `super`.
macro_rules! behaviours {
    () => {
        #[path = "behaviour/answers.rs"]
        mod answers;
        #[path = "behaviour/app.rs"]
        mod app;
        #[path = "behaviour/bodies.rs"]
        mod bodies;
        #[path = "behaviour/cancellation.rs"]
        mod cancellation;
        #[path = "behaviour/concurrency.rs"]
        mod concurrency;
        #[path = "behaviour/constraints.rs"]
        mod constraints;
        #[path = "behaviour/database.rs"]
        mod database;
        #[path = "behaviour/expiry.rs"]
        mod expiry;
        #[path = "behaviour/failure.rs"]
        mod failure;
        #[path = "behaviour/fingerprints.rs"]
        mod fingerprints;
        #[path = "behaviour/hang_up.rs"]
        mod hang_up;
        #[path = "behaviour/history.rs"]
        mod history;
        #[path = "behaviour/inbox.rs"]
        mod inbox;
        #[path = "behaviour/inbox_batch_failures.rs"]
        mod inbox_batch_failures;
        #[path = "behaviour/inbox_batches.rs"]
        mod inbox_batches;
        #[path = "behaviour/inbox_dropped.rs"]
        mod inbox_dropped;
        #[path = "behaviour/inbox_identity.rs"]
        mod inbox_identity;
        #[path = "behaviour/inbox_letters.rs"]
        mod inbox_letters;
        #[path = "behaviour/inbox_log.rs"]
        mod inbox_log;
        #[path = "behaviour/inbox_payloads.rs"]
        mod inbox_payloads;
        #[path = "behaviour/inbox_races.rs"]
        mod inbox_races;
        #[path = "behaviour/inbox_slow.rs"]
        mod inbox_slow;
        #[path = "behaviour/json_fingerprints.rs"]
        mod json_fingerprints;
        #[path = "behaviour/just_in_time.rs"]
        mod just_in_time;
        #[path = "behaviour/keys.rs"]
        mod keys;
        #[path = "behaviour/limits.rs"]
        mod limits;
        #[path = "behaviour/log.rs"]
        mod log;
        #[path = "behaviour/lost_race.rs"]
        mod lost_race;
        #[path = "behaviour/model.rs"]
        mod model;
        #[path = "behaviour/operations.rs"]
        mod operations;
        #[path = "behaviour/order.rs"]
        mod order;
        #[path = "behaviour/overload.rs"]
        mod overload;
        #[path = "behaviour/own_task.rs"]
        mod own_task;
        #[path = "behaviour/problems.rs"]
        mod problems;
        #[path = "behaviour/read_only.rs"]
        mod read_only;
        #[path = "behaviour/recorded.rs"]
        mod recorded;
        #[path = "behaviour/records.rs"]
        mod records;
        #[path = "behaviour/reference.rs"]
        mod reference;
        #[path = "behaviour/replay.rs"]
        mod replay;
        #[path = "behaviour/response.rs"]
        mod response;
        #[path = "behaviour/rollout.rs"]
        mod rollout;
        #[path = "behaviour/rollout_dropped.rs"]
        mod rollout_dropped;
        #[path = "behaviour/rollout_moves.rs"]
        mod rollout_moves;
        #[path = "behaviour/rollout_outcomes.rs"]
        mod rollout_outcomes;
        #[path = "behaviour/rollout_refusals.rs"]
        mod rollout_refusals;
        #[path = "behaviour/running_statement.rs"]
        mod running_statement;
        #[path = "behaviour/schema.rs"]
        mod schema;
        #[path = "behaviour/statements.rs"]
        mod statements;
        #[path = "behaviour/states.rs"]
        mod states;
        #[path = "behaviour/storm.rs"]
        mod storm;
        #[path = "behaviour/sweeping.rs"]
        mod sweeping;
        #[path = "behaviour/time.rs"]
        mod time;
        #[path = "behaviour/told.rs"]
        mod told;
        #[path = "behaviour/uploads.rs"]
        mod uploads;
        #[path = "behaviour/waiting.rs"]
        mod waiting;
        #[path = "behaviour/without_tx.rs"]
        mod without_tx;
    };
}

#[cfg(feature = "sqlite")]
#[path = "."]
mod sqlite {
    use idem_tests::sqlite::{Db, INSERT_PAYMENT, TestDb, age_records};

    const RECORD: &str = "idem_record";
    const LETTER: &str = "idem_dead_letter";
    const ROLLOUT: &str = "idem_rollout";
    const KEEPS_NO_RECORD: &str = "create trigger keeps_no_record before insert on idem_record \
        begin select raise(abort, 'refused'); end";
    const KEEPS_NO_PAYLOAD: &str = "create trigger keeps_no_payload before insert \
        on idem_dead_letter when new.payload is not null \
        begin select raise(abort, 'too large'); end";
    /// Ends the transaction it is in.
    const COMMITS: &str = "commit";
    const KEY: &str = "key";
    const ONE_WRITER: bool = true;
    /// Whether handlers let sqlx name their statements, as it does unless it is told otherwise.
    const IS_NAMED: bool = true;

    const SCOPE_AND_KEY: &str = "scope, key";
    const OF_SCOPE_AND_KEY: &str = "scope = $1 and key = $2";
    const TEXT: &str = "text";

    /// What fails a migration, and what lets it pass again.
    const OBSTACLE: [&str; 2] = [
        "alter table idem_record rename to kept; create view idem_record as select 1 as expires_at",
        "drop view idem_record",
    ];

    const COPIED_SQL: &str = concat!(
        include_str!("../../idem-core/migrations/sqlite/0001_record.sql"),
        include_str!("../../idem-core/migrations/sqlite/0002_dead_letter.sql"),
        include_str!("../../idem-core/migrations/sqlite/0003_rollout.sql")
    );

    /// Fails and ends the transaction, though not for those who look away.
    const FAILS: &str = "insert or rollback into payment (id) values (2)";

    /// There are no connections to end.
    const KILL_OTHERS: [&str; 2] = ["select 1 where false", ""];

    /// A handler with a `Tx` keeps every other writer out until it is done.
    const RACED: [&str; 1] = ["/outside"];

    /// Statements that only end when they are stopped.
    const ENDLESS: [&str; 2] = [
        "with recursive n (n) as (select 1 union all select n + 1 from n) select max(n) from n",
        "insert into payment (tenant, amount, reference) \
            with recursive n (n) as (select 1 union all select n + 1 from n) \
            select 'acme', max(n), '-' from n",
    ];

    behaviours!();
    #[path = "behaviour/deferred.rs"]
    mod deferred;
    #[path = "behaviour/processes.rs"]
    mod processes;
    #[path = "behaviour/writer.rs"]
    mod writer;
    #[path = "behaviour/writers.rs"]
    mod writers;
}

#[cfg(all(feature = "postgres", not(idem_no_postgres)))]
#[path = "."]
mod postgres {
    use idem_tests::postgres::{Db, INSERT_PAYMENT, TestDb, age_records, pool_at};

    const RECORD: &str = "idem.record";
    const LETTER: &str = "idem.dead_letter";
    const ROLLOUT: &str = "idem.rollout";
    const KEEPS_NO_RECORD: &str = "alter table idem.record add check (status = 0)";
    const KEEPS_NO_PAYLOAD: &str = "alter table idem.dead_letter add check (payload is null)";
    /// Ends the transaction it is in.
    const COMMITS: &str = "commit";
    const KEY: &str = "key";
    const ONE_WRITER: bool = false;
    const IS_NAMED: bool = true;

    const SCOPE_AND_KEY: &str = "scope, key";
    const OF_SCOPE_AND_KEY: &str = "scope = $1 and key = $2";
    const TEXT: &str = "text";

    /// What fails a migration, and what lets it pass again.
    const OBSTACLE: [&str; 2] = [
        "alter table idem.record rename to kept; create view idem.record as select 1 as expires_at",
        "drop view idem.record",
    ];

    const COPIED_SQL: &str = concat!(
        include_str!("../../idem-core/migrations/postgres/0001_record.sql"),
        include_str!("../../idem-core/migrations/postgres/0002_dead_letter.sql"),
        include_str!("../../idem-core/migrations/postgres/0003_rollout.sql")
    );

    /// Fails and spoils the transaction, though not for those who look away.
    const FAILS: &str = "insert into payment (tenant) values (null)";

    /// Where another transaction can insert a record while the handler runs.
    const RACED: [&str; 2] = ["/gate", "/outside"];

    /// Statements that only end when they are stopped.
    const ENDLESS: [&str; 3] = [
        "select pg_sleep(600)",
        "insert into payment (tenant, amount, reference) select 'acme', 5, pg_sleep(600)",
        "set local statement_timeout = 0; select pg_sleep(600)",
    ];

    /// A schema that hides the clock, and the setting of a session for which it does.
    const A_DAY_AND_AN_HOUR_LATER: (&str, (&str, &str)) = (
        "create schema later;
        create function later.now() returns timestamptz language sql stable as
            $$ select pg_catalog.now() + interval '25 hours' $$;
        create function later.statement_timestamp() returns timestamptz language sql stable as
            $$ select pg_catalog.statement_timestamp() + interval '25 hours' $$;
        create function later.clock_timestamp() returns timestamptz language sql volatile as
            $$ select pg_catalog.clock_timestamp() + interval '25 hours' $$",
        ("search_path", "later,pg_catalog,public"),
    );

    /// The longest that a transaction may be idle, in a time that a handler outlives.
    const SHORT_IDLE: (&str, &str) = ("idle_in_transaction_session_timeout", "1s");

    /// In the statement that looks for the answer of an attempt that was faster.
    const FIND: &str = "from idem.record where scope";
    const COMMIT: &str = "commit";
    const ASKS: &str = "pg_try_advisory_xact_lock";
    const CANCEL: &str = "pg_cancel_backend";
    /// Lists the connections to this database, and ends one.
    const KILL_OTHERS: [&str; 2] = [
        "select pid::bigint from pg_stat_activity where datname = current_database() \
            and pid <> pg_backend_pid()",
        "select pg_terminate_backend(?)",
    ];
    /// What a broken transaction leaves in the server's log.
    const LOGGED: &str = "ERROR";

    const RECORD_OF_ANOTHER: &str = "insert into idem.record (scope, operation, key, attempt, \
        format, fingerprint_version, fingerprint, status, headers, body, expires_at) \
        values ('acme', 'POST /act-in-time', 'k', gen_random_uuid(), \
        1, 1, '', 201, '', '', now() + interval '1 day')";

    behaviours!();
    #[path = "behaviour/clock.rs"]
    mod clock;
    #[path = "behaviour/collisions.rs"]
    mod collisions;
    #[path = "behaviour/deferred.rs"]
    mod deferred;
    #[path = "behaviour/failover.rs"]
    mod failover;
    #[path = "behaviour/forgotten_names.rs"]
    mod forgotten_names;
    #[path = "behaviour/gate/postgres.rs"]
    mod gate;
    #[path = "behaviour/inbox_killed.rs"]
    mod inbox_killed;
    #[path = "behaviour/inbox_lost_commit.rs"]
    mod inbox_lost_commit;
    #[path = "behaviour/inbox_nodes.rs"]
    mod inbox_nodes;
    #[path = "behaviour/inbox_parking.rs"]
    mod inbox_parking;
    #[path = "behaviour/inbox_settings.rs"]
    mod inbox_settings;
    #[path = "behaviour/invisible_record.rs"]
    mod invisible_record;
    #[path = "behaviour/isolation.rs"]
    mod isolation;
    #[path = "behaviour/lock_names.rs"]
    mod lock_names;
    #[path = "behaviour/locked_rows.rs"]
    mod locked_rows;
    #[path = "behaviour/locks.rs"]
    mod locks;
    #[path = "behaviour/lost_commit.rs"]
    mod lost_commit;
    #[path = "behaviour/lost_lock.rs"]
    mod lost_lock;
    #[path = "behaviour/nodes.rs"]
    mod nodes;
    #[path = "behaviour/partitions.rs"]
    mod partitions;
    #[path = "behaviour/probe_plan.rs"]
    mod probe_plan;
    #[path = "behaviour/reset_all.rs"]
    mod reset_all;
    #[path = "behaviour/rollout_beside.rs"]
    mod rollout_beside;
    #[path = "behaviour/rollout_lost_commit.rs"]
    mod rollout_lost_commit;
    #[path = "behaviour/server_log.rs"]
    mod server_log;
    #[path = "behaviour/session/postgres.rs"]
    mod session;
    #[path = "behaviour/session_state.rs"]
    mod session_state;
    #[path = "behaviour/silent_database.rs"]
    mod silent_database;
    #[path = "behaviour/stale_snapshot.rs"]
    mod stale_snapshot;
    #[path = "behaviour/standby.rs"]
    mod standby;
    #[path = "behaviour/unclear_commit.rs"]
    mod unclear_commit;
}

/// Postgres behind PgBouncer in transaction mode, which has fewer connections than its clients have.
#[expect(
    dead_code,
    reason = "some of what these files share is for other files"
)]
#[cfg(all(feature = "postgres", not(any(idem_no_postgres, idem_no_pgbouncer))))]
#[path = "."]
mod pgbouncer {
    use idem_tests::pgbouncer::{Db, INSERT_PAYMENT, TestDb, age_records};

    const RECORD: &str = "idem.record";
    const COMMITS: &str = "commit";
    const FAILS: &str = "insert into payment (tenant) values (null)";
    const ONE_WRITER: bool = false;
    /// A name is known to one of the pooler's connections only.
    const IS_NAMED: bool = false;
    const SCOPE_AND_KEY: &str = "scope, key";
    const OF_SCOPE_AND_KEY: &str = "scope = $1 and key = $2";
    /// Statements that only end when they are stopped.
    const ENDLESS: [&str; 1] = ["select pg_sleep(600)"];

    #[path = "behaviour/app.rs"]
    mod app;
    #[path = "behaviour/concurrency.rs"]
    mod concurrency;
    #[path = "behaviour/history.rs"]
    mod history;
    #[path = "behaviour/inbox.rs"]
    mod inbox;
    #[path = "behaviour/inbox_batches.rs"]
    mod inbox_batches;
    #[path = "behaviour/model.rs"]
    mod model;
    #[path = "behaviour/pooler.rs"]
    mod pooler;
    #[path = "behaviour/pooler_work.rs"]
    mod pooler_work;
    #[path = "behaviour/running_statement.rs"]
    mod running_statement;
    #[path = "behaviour/statements.rs"]
    mod statements;
    #[path = "behaviour/told.rs"]
    mod told;
}

#[cfg(all(feature = "mysql", not(idem_no_mysql)))]
#[path = "."]
mod mysql {
    use idem_tests::mysql::{Db, INSERT_PAYMENT, TestDb, age_records, pool_at};

    const RECORD: &str = "idem_record";
    const LETTER: &str = "idem_dead_letter";
    const ROLLOUT: &str = "idem_rollout";
    const KEEPS_NO_RECORD: &str = "alter table idem_record add check (status = 0)";
    const KEEPS_NO_PAYLOAD: &str = "alter table idem_dead_letter add check (payload is null)";
    /// Ends the transaction it is in.
    const COMMITS: &str = "commit";
    const KEY: &str = "`key`";
    const ONE_WRITER: bool = false;
    const IS_NAMED: bool = true;

    const SCOPE_AND_KEY: &str = "convert(scope using utf8mb4), convert(`key` using utf8mb4)";
    const OF_SCOPE_AND_KEY: &str = "scope = ? and `key` = ?";
    const TEXT: &str = "char";

    const COPIED_SQL: &str = concat!(
        include_str!("../../idem-core/migrations/mysql/0001_record.sql"),
        include_str!("../../idem-core/migrations/mysql/0002_dead_letter.sql"),
        include_str!("../../idem-core/migrations/mysql/0003_rollout.sql")
    );

    /// What fails a migration, and what lets it pass again.
    const OBSTACLE: [&str; 2] = [
        "create trigger obstacle before insert on idem_migration \
            for each row signal sqlstate '45000'",
        "drop trigger obstacle",
    ];

    /// Fails as a deadlock does: the server has rolled everything back.
    const FAILS: &str = "rollback; signal sqlstate '40001' set mysql_errno = 1213";

    /// Where another transaction can insert a record while the handler runs.
    const RACED: [&str; 2] = ["/gate", "/outside"];

    /// Statements that only end when they are stopped.
    const ENDLESS: [&str; 3] = [
        "select sleep(600)",
        "insert into payment (tenant, amount, reference) select 'acme', 5, sleep(600)",
        "set /*M!100000 max_statement_time *//*!80000 max_execution_time */ = 0; do sleep(600)",
    ];

    /// A statement, and the setting of a session whose clock is ahead.
    const A_DAY_AND_AN_HOUR_LATER: (&str, (&str, &str)) =
        ("do 0", ("timestamp", "unix_timestamp() + 25 * 3600"));

    /// The longest that a session may be idle, in a time that a handler outlives.
    const SHORT_IDLE: (&str, &str) = ("wait_timeout", "1");

    /// In the statement that looks for the answer of an attempt that was faster.
    const FIND: &str = "read committed; select r.format";
    const COMMIT: &str = "commit";
    const ASKS: &str = "get_lock";
    const CANCEL: &str = "kill query";
    /// Lists the connections to this database, and ends one.
    const KILL_OTHERS: [&str; 2] = [
        "select cast(id as signed) from information_schema.processlist where db = database() \
            and id <> connection_id()",
        "kill ?",
    ];
    /// A server that has started has logged it; statements that fail are not logged.
    const LOGGED: &str = "ready for connections";

    const RECORD_OF_ANOTHER: &str = "insert into idem_record (scope, operation, `key`, attempt, \
        format, fingerprint_version, fingerprint, status, headers, body, created_at, expires_at) \
        values ('acme', 'POST /act-in-time', 'k', unhex(replace(uuid(), '-', '')), \
        1, 1, '', 201, '', '', utc_timestamp(6), utc_timestamp(6) + interval 1 day)";

    behaviours!();
    #[path = "behaviour/autocommit.rs"]
    mod autocommit;
    #[path = "behaviour/clock.rs"]
    mod clock;
    #[path = "behaviour/deadlock.rs"]
    mod deadlock;
    #[path = "behaviour/dropped_prepare.rs"]
    mod dropped_prepare;
    #[path = "behaviour/error_numbers.rs"]
    mod error_numbers;
    #[path = "behaviour/gate/mysql.rs"]
    mod gate;
    #[path = "behaviour/implicit_commit.rs"]
    mod implicit_commit;
    #[path = "behaviour/inbox_isolation.rs"]
    mod inbox_isolation;
    #[path = "behaviour/inbox_killed.rs"]
    mod inbox_killed;
    #[path = "behaviour/inbox_lost_commit.rs"]
    mod inbox_lost_commit;
    #[path = "behaviour/inbox_nodes.rs"]
    mod inbox_nodes;
    #[path = "behaviour/inbox_packets.rs"]
    mod inbox_packets;
    #[path = "behaviour/inbox_parking.rs"]
    mod inbox_parking;
    #[path = "behaviour/invisible_record.rs"]
    mod invisible_record;
    #[path = "behaviour/isolation_levels.rs"]
    mod isolation_levels;
    #[path = "behaviour/lasting_settings.rs"]
    mod lasting_settings;
    #[path = "behaviour/left_open.rs"]
    mod left_open;
    #[path = "behaviour/left_open_own.rs"]
    mod left_open_own;
    #[path = "behaviour/lock_names.rs"]
    mod lock_names;
    #[path = "behaviour/locked_rows.rs"]
    mod locked_rows;
    #[path = "behaviour/lost_commit.rs"]
    mod lost_commit;
    #[path = "behaviour/lost_lock.rs"]
    mod lost_lock;
    #[path = "behaviour/nodes.rs"]
    mod nodes;
    #[path = "behaviour/rollout_beside.rs"]
    mod rollout_beside;
    #[path = "behaviour/rollout_lost_commit.rs"]
    mod rollout_lost_commit;
    #[path = "behaviour/server_log.rs"]
    mod server_log;
    #[path = "behaviour/session/mysql.rs"]
    mod session;
    #[path = "behaviour/session_state.rs"]
    mod session_state;
    #[path = "behaviour/silent_database.rs"]
    mod silent_database;
    #[path = "behaviour/standby.rs"]
    mod standby;
    #[path = "behaviour/statement_log.rs"]
    mod statement_log;
}

/// Stands for all tests that MariaDB is missing for, so that they are counted as ignored.
#[cfg(all(feature = "mysql", idem_no_mysql))]
#[test]
#[ignore = "no MariaDB: set IDEM_TEST_MYSQL_URL or start Docker"]
fn mysql_is_missing() {
    panic!("no MariaDB: set IDEM_TEST_MYSQL_URL or start Docker");
}

/// Stands for all tests that Postgres is missing for, so that they are counted as ignored.
#[cfg(all(feature = "postgres", idem_no_postgres))]
#[test]
#[ignore = "no Postgres: set IDEM_TEST_POSTGRES_URL or start Docker"]
fn postgres_is_missing() {
    panic!("no Postgres: set IDEM_TEST_POSTGRES_URL or start Docker");
}

/// Stands for all tests that PgBouncer is missing for, so that they are counted as ignored.
#[cfg(all(feature = "postgres", idem_no_pgbouncer))]
#[test]
#[ignore = "no PgBouncer: install Debian's pgbouncer"]
fn pgbouncer_is_missing() {
    panic!("no PgBouncer: install Debian's pgbouncer");
}
