-- Distributes Idem's tables over a Citus cluster by scope. Run it on the coordinator after idem.migrate(), best while
-- the tables are empty: what is in them is copied to the shards under a lock.
--
-- Distribute the application's tables by the same value, so that a handler's rows are on the shard of its record:
--     create table payment (tenant text collate "C" not null, …, primary key (tenant, id));
--     select create_distributed_table('payment', 'tenant', colocate_with => 'idem.record');
-- The column must be of type text and collation "C", like idem.record.scope.

-- A unique key must contain the column that distributes.
alter table idem.dead_letter drop constraint if exists dead_letter_pkey, add primary key (scope, id);

select create_distributed_table('idem.record', 'scope');
select create_distributed_table('idem.dead_letter', 'scope', colocate_with => 'idem.record');
-- A tombstone names no scope, so it cannot be on the shard of its record. As a reference table it is on every server: a
-- claim reads it where it reads the record. Sweeps alone write it.
select create_reference_table('idem.tombstone');
select create_reference_table('idem.rollout');
