-- How much of its work the attribute does, per operation, for nodes that follow it. Run by idem.migrate(), or
-- copied into the application's own migrations.
create table if not exists idem.rollout (
    -- The operation of the records, or * for all that have no row.
    operation text collate "C" primary key check (octet_length(operation) between 1 and 255),
    -- Such as observe, or observe>enforce@25%.
    rule text not null,
    updated_at timestamptz not null default clock_timestamp()
);
