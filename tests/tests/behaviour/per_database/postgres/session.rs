//! Session settings of Postgres.

/// Settings that a handler may change without breaking its completion.
pub const HANDLER_SETTINGS: &[&str] = &[
    "set local role pg_monitor",
    "set role pg_monitor",
    "set local session authorization pg_monitor",
    "set session authorization pg_monitor",
    "set local search_path = ''",
    "set local default_transaction_read_only = on",
    "set local enable_seqscan = off",
    "set local lock_timeout = '1ms'",
];

/// Settings that are undone after a handler fails.
pub const UNDONE_SETTINGS: &[&str] = &[
    "set role pg_monitor; set search_path = ''",
    "set statement_timeout = '9s'; set session characteristics as transaction read only",
];

pub const READ_ONLY: &str = "set session characteristics as transaction read only";

/// Shorter than [`SLOW_COMPLETION`] takes.
pub const SHORT_LIMIT: &str = "set local statement_timeout = '300ms'";

pub const SLOW_COMPLETION: &str = "create function idem.wait() returns trigger language plpgsql as
        $$ begin perform pg_sleep(0.6); return new; end $$;
    create trigger wait before insert on idem.record
        for each row execute function idem.wait()";

/// All changed settings as the connection's next user sees them, but for those that BEGIN resets.
pub const SETTINGS: &str = "select coalesce(string_agg(name || '=' || setting, ' '), '') \
    || current_setting('role') || session_user from pg_settings \
    where source = 'session' and name not like 'transaction\\_%'";

/// The limits inside an attempt: for a statement and for an idle period.
pub const LIMITS: &str = "select current_setting('statement_timeout') || ' ' \
    || current_setting('idle_in_transaction_session_timeout')";

pub const LIMIT_NAMES: [&str; 2] = ["statement_timeout", "idle_in_transaction_session_timeout"];

/// The expected [`LIMITS`] where the session has no limit, a shorter and a longer one.
pub fn limited() -> [(&'static str, &'static str); 3] {
    [("", "31s 35s"), ("7s", "7s 7s"), ("7min", "31s 35s")]
}
