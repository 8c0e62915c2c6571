-- The two steps of an attempt, to claim and to store, each in one message. Run by idem.migrate(), or copied
-- into the application's own migrations.
--
-- They are one function, so that a prepared statement which the server knew for the claim is known when
-- the work is done. It runs with the rights of its caller, who needs those on the tables.
--
-- Each query inside has a later snapshot than the one before (a volatile function, read committed): the
-- record is looked for after the lock is taken. A sequential scan is never planned, however small the table
-- was when the plan was made. The search path is fixed, or each change of it by an application would make
-- new plans.
create or replace function idem.step(
    p_scope text, p_operation text, p_key text, p_attempt uuid,
    -- To claim: the lock, limits in milliseconds, and whether earlier failures are counted.
    p_lock bigint, p_statement_limit integer, p_idle_limit integer, p_counts boolean,
    -- To store: what the claim has returned, then the record.
    p_began double precision, p_login text, p_role text, p_statement_timeout text,
    p_format smallint, p_fingerprint_version smallint, p_fingerprint bytea, p_status smallint,
    p_headers bytea, p_body bytea, p_reference text, p_ttl interval,
    -- 1: stored. 0: a live record exists. -1: the session is to be restored first. -2: another transaction.
    out stored smallint,
    out free boolean, out writable boolean, out has_failed boolean, out backend integer,
    out began double precision, out login text, out role text, out statement_timeout text,
    out format smallint, out fingerprint_version smallint, out fingerprint bytea, out status smallint,
    out headers bytea, out body bytea, out reference text, out expired boolean, out age bigint
) language plpgsql volatile set search_path = pg_catalog, pg_temp set enable_seqscan = off as $step$
#variable_conflict use_column
begin
    if p_began is null then
        -- A shorter limit of the application stays.
        if extract(epoch from current_setting('statement_timeout')::interval) * 1000
            not between 1 and p_statement_limit then
            perform set_config('statement_timeout', p_statement_limit::text, true);
        end if;
        if extract(epoch from current_setting('idle_in_transaction_session_timeout')::interval) * 1000
            not between 1 and p_idle_limit then
            perform set_config('idle_in_transaction_session_timeout', p_idle_limit::text, true);
        end if;
        -- Undone by a rollback of this transaction, kept by a COMMIT that is not Idem's.
        perform set_config('idem.attempt', p_attempt::text, false);
        free := p_lock is null or pg_try_advisory_xact_lock(p_lock);
        writable := current_setting('transaction_read_only') = 'off';
        has_failed := false;
        backend := pg_backend_pid();
        began := date_part('epoch', transaction_timestamp());
        login := session_user;
        role := current_setting('role');
        statement_timeout := current_setting('statement_timeout');
        if p_key is null then
            return;
        end if;
        select r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, r.body, r.reference,
                r.expires_at <= statement_timestamp(),
                (extract(epoch from statement_timestamp() - r.created_at) * 1000)::bigint
            into format, fingerprint_version, fingerprint, status, headers, body, reference, expired, age
            from idem.record r where r.scope = p_scope and r.operation = p_operation and r.key = p_key;
        if p_counts then
            has_failed := exists(select from idem.dead_letter d
                where d.scope = p_scope and d.operation = p_operation and d.key = p_key);
        end if;
        return;
    end if;

    -- The time at which its transaction began proves that this one is the claim's.
    if date_part('epoch', transaction_timestamp()) <> p_began then
        stored := -2;
        return;
    end if;
    -- A weaker role may lack the right to insert, and a short limit would refuse work that is done.
    if session_user <> p_login or current_setting('role') <> p_role
        or current_setting('statement_timeout') <> p_statement_timeout then
        stored := -1;
        return;
    end if;
    perform set_config('idem.attempt', '', false);
    stored := 1;
    if p_key is null then
        return;
    end if;
    insert into idem.record as r (scope, operation, key, attempt, format, fingerprint_version, fingerprint,
            status, headers, body, reference, expires_at)
        values (p_scope, p_operation, p_key, p_attempt, p_format, p_fingerprint_version, p_fingerprint,
            p_status, p_headers, p_body, p_reference, clock_timestamp() + p_ttl)
        on conflict (scope, operation, key) do update set
            attempt = excluded.attempt, format = excluded.format,
            fingerprint_version = excluded.fingerprint_version, fingerprint = excluded.fingerprint,
            status = excluded.status, headers = excluded.headers, body = excluded.body,
            reference = excluded.reference, created_at = excluded.created_at,
            expires_at = excluded.expires_at
        where r.expires_at <= statement_timestamp();
    get diagnostics stored = row_count;
end
$step$;

-- A handler may go on as a role of its own, and must be able to name the function then. Tables keep their
-- own grants.
grant usage on schema idem to public;
