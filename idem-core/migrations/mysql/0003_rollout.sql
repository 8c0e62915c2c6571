-- How much of its work the attribute does, per operation, for nodes that follow it. Run by idem.migrate(), or
-- copied into the application's own migrations.
create table if not exists idem_rollout (
    -- The operation of the records, or * for all that have no row.
    operation varbinary(255) not null primary key check (length(operation) > 0),
    -- Such as observe, or observe>enforce@25%.
    rule varbinary(255) not null,
    -- UTC, by the database's clock.
    updated_at datetime(6) not null
) engine = InnoDB row_format = dynamic;
