-- Idem's records. Run by idem.migrate(), or copied into the application's own migrations.
create schema if not exists idem;

create table if not exists idem.record (
    -- Whose key it is, what is done once, and what the client repeats: see docs/GUARANTEES.md.
    scope text collate "C" not null check (octet_length(scope) between 1 and 255),
    operation text collate "C" not null check (octet_length(operation) between 1 and 255),
    key text collate "C" not null check (octet_length(key) between 1 and 255),
    -- The attempt that committed: how a lost acknowledgement of COMMIT is resolved.
    attempt uuid not null,
    format smallint not null,
    fingerprint_version smallint not null,
    fingerprint bytea not null,
    -- 500 marks an attempt whose handler ended the transaction itself.
    status smallint not null,
    headers bytea not null,
    body bytea not null,
    reference text check (octet_length(reference) between 1 and 255),
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz not null,
    primary key (scope, operation, key)
);

create index if not exists record_expires_at on idem.record (expires_at);
