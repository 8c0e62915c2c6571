-- Idem's records. Run by idem.migrate(), or copied into the application's own migrations.
create table if not exists idem_record (
    -- Whose key it is, what is done once, and what the client repeats: see docs/GUARANTEES.md.
    scope text not null check (octet_length(scope) between 1 and 255),
    operation text not null check (octet_length(operation) between 1 and 255),
    key text not null check (octet_length(key) between 1 and 255),
    -- The attempt that committed: how an unclear COMMIT is resolved.
    attempt blob not null,
    format integer not null,
    fingerprint_version integer not null,
    fingerprint blob not null,
    -- 500 marks an attempt whose handler ended the transaction itself.
    status integer not null,
    headers blob not null,
    body blob not null,
    reference text check (octet_length(reference) between 1 and 255),
    -- Milliseconds since 1970, by the database's clock.
    created_at integer not null,
    expires_at integer not null,
    primary key (scope, operation, key)
);

create index if not exists idem_record_expires_at on idem_record (expires_at);
