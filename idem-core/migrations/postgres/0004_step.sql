-- The two steps of an attempt, to claim and to store, each in one message. Run by idem.migrate(), or copied
-- into the application's own migrations.
--
-- They are one function, so that a prepared statement which the server knew for the claim is known when
-- the work is done. It runs with the rights of its caller, who needs those on the tables.
--
-- Each query inside has a later snapshot than the one before (a volatile function, read committed): the
-- record is looked for after the lock is taken.

-- A statement that inserts parses the table's checks again each time, which takes as long as the insert. Names
-- and references have these lengths already when they reach the database.
-- (In a block, whose statement is sent on alone by an engine that distributes the table.)
do $$ begin
    alter table idem.record
        drop constraint if exists record_scope_check, drop constraint if exists record_operation_check,
        drop constraint if exists record_key_check, drop constraint if exists record_reference_check;
end $$;

create or replace function idem.step(
    p_scope text, p_operation text, p_key text, p_attempt uuid,
    -- To claim: the lock, limits in milliseconds, and whether earlier failures are counted. Without an attempt and
    -- a limit the record is only read.
    p_lock bigint, p_statement_limit integer, p_idle_limit integer, p_counts boolean,
    -- To store: what the claim has returned, then the record.
    p_began double precision, p_login text, p_role text, p_statement_timeout text, p_path text,
    p_format smallint, p_fingerprint_version smallint, p_fingerprint bytea, p_status smallint,
    p_headers bytea, p_body bytea, p_reference text, p_ttl interval,
    -- Of a claim: 1 if the lock is free, else 0; 2 is added where the database takes writes, and 4 where
    -- earlier failures are counted. Of storing: 1: stored. 0: a live record exists. -1: the session is to be
    -- restored first. -2: another transaction.
    out answer integer,
    out began double precision, out login text, out role text, out statement_timeout text, out path text,
    out backend integer,
    out format smallint, out fingerprint_version smallint, out fingerprint bytea, out status smallint,
    out headers bytea, out body bytea, out reference text, out expired boolean, out age bigint
) language plpgsql volatile as $step$
#variable_conflict use_column
declare
    setting text;
    scans text;
    moment timestamptz;
begin
    if p_began is null then
        -- Without an attempt the record is looked at, outside of a transaction.
        if p_attempt is not null then
            -- A shorter limit of the application stays.
            setting := current_setting('statement_timeout');
            if setting = '0' or extract(epoch from setting::interval) * 1000 > p_statement_limit then
                setting := set_config('statement_timeout', p_statement_limit::text, true);
            end if;
            setting := current_setting('idle_in_transaction_session_timeout');
            if setting = '0' or extract(epoch from setting::interval) * 1000 > p_idle_limit then
                setting := set_config('idle_in_transaction_session_timeout', p_idle_limit::text, true);
            end if;
            -- Undone by a rollback of this transaction, kept by a COMMIT that is not Idem's.
            setting := set_config('idem.attempt', p_attempt::text, false);
        end if;
        answer := (p_lock is null or pg_try_advisory_xact_lock(p_lock))::integer
            + 2 * (current_setting('transaction_read_only') = 'off')::integer;
        began := date_part('epoch', transaction_timestamp());
        login := session_user;
        role := current_setting('role');
        statement_timeout := current_setting('statement_timeout');
        path := current_setting('search_path');
        backend := pg_backend_pid();
        if p_key is null then
            return;
        end if;
        -- The server keeps the plans of these queries. One that was made while the table is empty would
        -- scan it for ever, however large it grows.
        scans := current_setting('enable_seqscan');
        if scans = 'on' then
            setting := set_config('enable_seqscan', 'off', true);
        end if;
        select r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, r.body, r.reference,
                r.expires_at <= statement_timestamp(),
                (extract(epoch from statement_timestamp() - r.created_at) * 1000)::bigint
            into format, fingerprint_version, fingerprint, status, headers, body, reference, expired, age
            from idem.record r where r.scope = p_scope and r.operation = p_operation and r.key = p_key;
        if p_counts then
            answer := answer + 4 * exists(select from idem.dead_letter d
                where d.scope = p_scope and d.operation = p_operation and d.key = p_key)::integer;
        end if;
        if scans = 'on' then
            setting := set_config('enable_seqscan', 'on', true);
        end if;
        return;
    end if;

    -- The time at which its transaction began proves that this one is the claim's.
    if date_part('epoch', transaction_timestamp()) <> p_began then
        answer := -2;
        return;
    end if;
    -- A weaker role may lack the right to insert, and a short limit would refuse work that is done.
    if session_user <> p_login or current_setting('role') <> p_role
        or current_setting('statement_timeout') <> p_statement_timeout then
        answer := -1;
        return;
    end if;
    setting := set_config('idem.attempt', '', false);
    answer := 1;
    if p_key is null then
        return;
    end if;
    -- An engine that distributes the table takes no function in the condition below that asks a clock.
    moment := statement_timestamp();
    -- The plan of the insert is kept for one search path.
    path := current_setting('search_path');
    if path <> p_path then
        setting := set_config('search_path', p_path, true);
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
        where r.expires_at <= moment;
    get diagnostics answer = row_count;
    if path <> p_path then
        setting := set_config('search_path', path, true);
    end if;
end
$step$;

-- Claims many messages of a consumer: an answer for each name, in their order. `restores` sets the settings of
-- p_settings to what they are now.
--
-- The records found are joined to the answers in a query of their own, so that an engine which distributes the
-- tables answers it. None of its queries reads a setting, which another server of such an engine would not know.
create or replace function idem.claim_all(
    p_scopes text[], p_operations text[], p_keys text[], p_locks bigint[], p_settings text[]
) returns table (
    number bigint, is_free boolean, has_failed boolean, restores text,
    format smallint, fingerprint_version smallint, fingerprint bytea, status smallint,
    headers bytea, body bytea, reference text, expired boolean, age bigint
) language plpgsql volatile as $claim_all$
#variable_conflict use_column
declare
    free boolean[];
    settings text;
    scans text;
begin
    select array_agg(pg_try_advisory_xact_lock(lock) order by number) into free
        from unnest(p_locks) with ordinality as name (lock, number);
    select string_agg(format('set_config(%L, %L, true)', setting, current_setting(setting)), ', ') into settings
        from unnest(p_settings) as setting;
    -- As above.
    scans := current_setting('enable_seqscan');
    perform set_config('enable_seqscan', 'off', true);
    return query
        with found as materialized (
            select name.number, r.format, r.fingerprint_version, r.fingerprint, r.status, r.headers, r.body,
                    r.reference, r.expires_at <= statement_timestamp() as expired,
                    (extract(epoch from statement_timestamp() - r.created_at) * 1000)::bigint as age
                from unnest(p_scopes, p_operations, p_keys) with ordinality as name (scope, operation, key, number)
                join idem.record r on r.scope = name.scope and r.operation = name.operation and r.key = name.key
        ), failed as materialized (
            select name.number
                from unnest(p_scopes, p_operations, p_keys) with ordinality as name (scope, operation, key, number)
                join idem.dead_letter d
                    on d.scope = name.scope and d.operation = name.operation and d.key = name.key
        )
        select name.number, name.is_free, failed.number is not null, settings,
                found.format, found.fingerprint_version, found.fingerprint, found.status,
                found.headers, found.body, found.reference, found.expired, found.age
            from unnest(free) with ordinality as name (is_free, number)
            left join found on found.number = name.number
            left join failed on failed.number = name.number
            order by name.number;
    perform set_config('enable_seqscan', scans, true);
end
$claim_all$;

-- The two steps of one attempt for messages of several statements, which cannot return anything: they raise an error
-- where an attempt must not go on. Their codes are IDM01 to IDM04.

-- Claims, in the message that begins the transaction. What the other step needs is kept until its end.
create or replace function idem.enter(
    p_scope text, p_operation text, p_key text, p_attempt uuid,
    p_lock bigint, p_mark bigint, p_statement_limit integer, p_idle_limit integer
) returns void language plpgsql volatile as $enter$
declare
    claim record;
begin
    claim := idem.step(p_scope, p_operation, p_key, p_attempt, p_lock, p_statement_limit, p_idle_limit, false,
        null, null, null, null, null, null, null, null, null, null, null, null, null);
    if claim.answer & 2 = 0 then
        raise exception using errcode = 'IDM03', message = 'idem: the database takes no writes';
    elsif not claim.expired then
        raise exception using errcode = 'IDM02', message = 'idem: the key has a record';
    elsif claim.answer & 1 = 0 then
        raise exception using errcode = 'IDM01', message = 'idem: an attempt with the key is running';
    end if;
    -- Tells others which process runs this attempt.
    perform pg_advisory_xact_lock_shared(p_mark);
    perform set_config('idem.claim', array[p_attempt::text, claim.login, claim.role, claim.path]::text, true);
end
$enter$;

-- Stores, in the message that commits. Settings of a transaction end with it: so what the claim has kept proves that
-- this one is the claim's.
create or replace function idem.leave(
    p_scope text, p_operation text, p_key text, p_attempt uuid,
    p_format smallint, p_fingerprint_version smallint, p_fingerprint bytea, p_status smallint,
    p_headers bytea, p_body bytea, p_reference text, p_ttl interval
) returns void language plpgsql volatile as $leave$
declare
    kept text[] := nullif(current_setting('idem.claim', true), '')::text[];
    setting text;
    stored record;
begin
    if kept[1] is distinct from p_attempt::text then
        raise exception using errcode = 'IDM04', message = 'idem: the transaction is not the attempt''s own';
    end if;
    -- In this order: the user resets the role.
    if session_user <> kept[2] then
        setting := set_config('session_authorization', kept[2], false);
    end if;
    if current_setting('role') <> kept[3] then
        setting := set_config('role', kept[3], false);
    end if;
    stored := idem.step(p_scope, p_operation, p_key, p_attempt, null, null, null, null,
        date_part('epoch', transaction_timestamp()), session_user::text, kept[3],
        current_setting('statement_timeout'), kept[4],
        p_format, p_fingerprint_version, p_fingerprint, p_status, p_headers, p_body, p_reference, p_ttl);
    if stored.answer <> 1 then
        raise exception using errcode = 'IDM02', message = 'idem: the key has a record';
    end if;
end
$leave$;

-- A handler may go on as a role of its own, and must be able to name the function then. Tables keep their
-- own grants.
grant usage on schema idem to public;
