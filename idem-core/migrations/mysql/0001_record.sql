-- Idem's records. Run by idem.migrate(), or copied into the application's own migrations.
create table if not exists idem_record (
    -- Whose key it is, what is done once, and what the client repeats: see docs/GUARANTEES.md.
    -- Bytes are compared as they are, without regard to collations and trailing spaces.
    scope varbinary(255) not null check (length(scope) > 0),
    operation varbinary(255) not null check (length(operation) > 0),
    `key` varbinary(255) not null check (length(`key`) > 0),
    -- The attempt that committed: how a lost acknowledgement of COMMIT is resolved.
    attempt binary(16) not null,
    format smallint not null,
    fingerprint_version smallint not null,
    fingerprint varbinary(255) not null,
    -- 500 marks an attempt whose handler ended the transaction itself.
    status smallint not null,
    headers longblob not null,
    body longblob not null,
    reference varchar(255) character set utf8mb4 collate utf8mb4_bin,
    -- UTC, by the database's clock.
    created_at datetime(6) not null,
    expires_at datetime(6) not null,
    primary key (scope, operation, `key`),
    key idem_record_expires_at (expires_at)
) engine = InnoDB row_format = dynamic;
