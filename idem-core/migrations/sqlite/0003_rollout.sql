-- How much of its work the attribute does, per operation, for nodes that follow it. Run by idem.migrate(), or
-- copied into the application's own migrations.
create table if not exists idem_rollout (
    -- The operation of the records, or * for all that have no row.
    operation text not null primary key check (octet_length(operation) between 1 and 255),
    -- Such as observe, or observe>enforce@25%.
    rule text not null,
    -- Milliseconds since 1970, by the database's clock.
    updated_at integer not null
);
