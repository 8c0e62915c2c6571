//! The message that begins an attempt on PostgreSQL.

use crate::Isolation;
use crate::store::{Opening, millis};

/// One message: begin, bound the time, try the lock, remember whether it was free, set the guard.
///
/// The isolation stands first, the lock before the guard: rolling back to the guard keeps it.
pub(super) fn begin(opening: &Opening<'_>, guard: &str) -> String {
    let isolation = match opening.isolation {
        Isolation::Default => "",
        Isolation::ReadCommitted => " isolation level read committed",
        Isolation::Serializable => " isolation level serializable",
    };
    // Idem stops a handler's statement itself; this is for when its word does not arrive.
    let statement = millis(opening.timeout).saturating_add(1_000);
    // The handler may be idle for its whole time; this is for clients that are gone.
    let idle = millis(opening.timeout).saturating_add(5_000);
    let mut text = format!("begin{isolation};");
    for (setting, limit) in [
        ("statement_timeout", statement),
        ("idle_in_transaction_session_timeout", idle),
    ] {
        // A shorter limit of the application's own stays.
        text.push_str(&format!(
            " select set_config('{setting}', '{limit}', true) where extract(epoch from \
             current_setting('{setting}')::interval) * 1000 not between 1 and {limit};"
        ));
    }
    // The server keeps the probe's plan. One made while the table is empty would read it from end
    // to end however large it grows, so none is made with such reading on; the probe turns it on.
    text.push_str(
        " select set_config('idem.seqscan', current_setting('enable_seqscan'), true), \
         set_config('enable_seqscan', 'off', true)",
    );
    if let Some(name) = opening.name {
        let lock = name.lock_id();
        text.push_str(&format!(
            ", set_config('idem.free', pg_try_advisory_xact_lock({lock})::text, true)"
        ));
    }
    text.push_str(&format!("; savepoint {guard}"));
    text
}

macro_rules! probe_with {
    ($has_failed:literal) => {
        concat!(
            "select set_config('enable_seqscan', current_setting('idem.seqscan'), true), ",
            "coalesce(current_setting('idem.free', true), '') <> 'false' as free, ",
            "current_setting('transaction_read_only') = 'off' as writable, ",
            $has_failed,
            " as has_failed, session_user::text as session_user, current_setting('role') as role, ",
            "current_setting('statement_timeout') as statement_timeout, ",
            "pg_backend_pid() as backend, r.format, r.fingerprint_version, r.fingerprint, ",
            "r.status, r.headers, r.body, r.reference, ",
            "r.expires_at <= statement_timestamp() as expired, ",
            "(extract(epoch from statement_timestamp() - r.created_at) * 1000)::bigint as age ",
            "from (select) as one left join idem.record r ",
            "on r.scope = $1 and r.operation = $2 and r.key = $3",
        )
    };
}

/// The second message: what the session is set to, and the record. Bind scope, operation and key.
pub(super) fn probe(opening: &Opening<'_>) -> &'static str {
    let is_message = opening
        .name
        .is_some_and(|name| name.operation.is_of_consumer());
    if is_message {
        probe_with!(
            "exists(select from idem.dead_letter d \
               where d.scope = $1 and d.operation = $2 and d.key = $3)"
        )
    } else {
        probe_with!("false")
    }
}
