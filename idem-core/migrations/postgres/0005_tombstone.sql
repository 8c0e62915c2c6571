-- Keys that are refused although their record is gone. Run by idem.migrate(), or copied into the application's
-- own migrations.
--
-- A record of an operation that refuses late retries says until when its key is refused. While the record is
-- there, it is the evidence. A sweep writes its tombstone before it deletes it. So a claim that looks at the
-- record first and then at the tombstone sees one of them.

-- (In a block, whose statement is sent on alone by an engine that distributes the table.)
do $$ begin
    alter table idem.record
        -- Until when the key is refused, and the digest of the tombstone; null if a late retry runs.
        add column if not exists refused_until timestamptz,
        add column if not exists tombstone uuid;
end $$;

create table if not exists idem.tombstone (
    -- The first 128 bits of a SHA-256 of scope, operation and key, none of which can be read from it.
    digest uuid primary key,
    -- Until when the key is refused.
    expires_at timestamptz not null
);

create index if not exists tombstone_expires_at on idem.tombstone (expires_at);

-- As idem.step of 0004_step.sql, for an operation that refuses late retries: its first 21 parameters are those of
-- that function, and it returns the same record. Of a claim, 8 is added to the answer where the key is refused.
-- An expired record whose key is refused is not replaced: 0 is the answer.
create or replace function idem.step_or_refuse(
    p_scope text, p_operation text, p_key text, p_attempt uuid,
    p_lock bigint, p_statement_limit integer, p_idle_limit integer, p_counts boolean,
    p_began double precision, p_login text, p_role text, p_statement_timeout text, p_path text,
    p_format smallint, p_fingerprint_version smallint, p_fingerprint bytea, p_status smallint,
    p_headers bytea, p_body bytea, p_reference text, p_ttl interval,
    -- The digest of the name, and to store: how long after its ttl the key is refused.
    p_tombstone uuid, p_refusal interval
) returns record language plpgsql volatile as $step_or_refuse$
declare
    step record;
    refused boolean := false;
    setting text;
    scans text;
    path text;
    moment timestamptz;
    ends timestamptz;
begin
    if p_began is null then
        step := idem.step(p_scope, p_operation, p_key, p_attempt, p_lock, p_statement_limit, p_idle_limit, p_counts,
            null, null, null, null, null, null, null, null, null, null, null, null, null);
        if p_key is null or not step.expired then
            return step;
        end if;
        -- As in idem.step: its plan is kept.
        scans := current_setting('enable_seqscan');
        if scans = 'on' then
            setting := set_config('enable_seqscan', 'off', true);
        end if;
        -- In this order: a sweep may delete the record meanwhile, and has written the tombstone before.
        if step.expired then
            refused := exists(select from idem.record r
                where r.scope = p_scope and r.operation = p_operation and r.key = p_key
                    and r.refused_until > statement_timestamp());
        end if;
        if not refused then
            refused := exists(select from idem.tombstone t
                where t.digest = p_tombstone and t.expires_at > statement_timestamp());
        end if;
        if scans = 'on' then
            setting := set_config('enable_seqscan', 'on', true);
        end if;
        step.answer := step.answer + 8 * refused::integer;
        return step;
    end if;

    -- Without a record it proves that the transaction is the claim's.
    step := idem.step(null, null, null, null, null, null, null, null,
        p_began, p_login, p_role, p_statement_timeout, p_path,
        null, null, null, null, null, null, null, null);
    if step.answer <> 1 or p_key is null then
        return step;
    end if;
    moment := statement_timestamp();
    ends := clock_timestamp() + p_ttl;
    -- As in idem.step: the plan of the insert is kept for one search path.
    path := current_setting('search_path');
    if path <> p_path then
        setting := set_config('search_path', p_path, true);
    end if;
    insert into idem.record as r (scope, operation, key, attempt, format, fingerprint_version, fingerprint,
            status, headers, body, reference, expires_at, refused_until, tombstone)
        values (p_scope, p_operation, p_key, p_attempt, p_format, p_fingerprint_version, p_fingerprint,
            p_status, p_headers, p_body, p_reference, ends, ends + p_refusal, p_tombstone)
        on conflict (scope, operation, key) do update set
            attempt = excluded.attempt, format = excluded.format,
            fingerprint_version = excluded.fingerprint_version, fingerprint = excluded.fingerprint,
            status = excluded.status, headers = excluded.headers, body = excluded.body,
            reference = excluded.reference, created_at = excluded.created_at,
            expires_at = excluded.expires_at,
            refused_until = excluded.refused_until, tombstone = excluded.tombstone
        where r.expires_at <= moment and (r.refused_until is null or r.refused_until <= moment);
    get diagnostics step.answer = row_count;
    if path <> p_path then
        setting := set_config('search_path', path, true);
    end if;
    return step;
end
$step_or_refuse$;
