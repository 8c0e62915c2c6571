-- Keys that are refused although their record is gone. Run by idem.migrate(), or copied into the application's
-- own migrations.
--
-- A record of an operation that refuses late retries says until when its key is refused. While the record is
-- there, it is the evidence. A sweep writes its tombstone before it deletes it. So a claim that looks at the
-- record first and then at the tombstone sees one of them.
create table if not exists idem_tombstone (
    -- The first 128 bits of a SHA-256 of scope, operation and key, none of which can be read from it.
    digest binary(16) not null primary key,
    -- Until when the key is refused: UTC, by the database's clock.
    expires_at datetime(6) not null,
    key idem_tombstone_expires_at (expires_at)
) engine = InnoDB row_format = dynamic;

-- Until when the key is refused, and the digest of the tombstone; null if a late retry runs. MySQL has no
-- `add column if not exists`, and a migration that was interrupted runs again.
set @idem_add = (select if(count(*) > 0, 'do 0', 'alter table idem_record
        add column refused_until datetime(6), add column tombstone binary(16)')
    from information_schema.columns
    where table_schema = database() and table_name = 'idem_record' and column_name = 'refused_until');
prepare idem_add from @idem_add;
execute idem_add;
deallocate prepare idem_add;
