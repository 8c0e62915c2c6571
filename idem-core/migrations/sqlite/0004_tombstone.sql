-- Keys that are refused although their record is gone. Run by idem.migrate(), or copied into the application's
-- own migrations.
--
-- A record of an operation that refuses late retries says until when its key is refused. While the record is
-- there, it is the evidence. A sweep writes its tombstone before it deletes it. So a claim that looks at the
-- record first and then at the tombstone sees one of them.

-- Until when the key is refused, in milliseconds since 1970, and the digest of the tombstone; null if a late retry
-- runs.
alter table idem_record add column refused_until integer;
alter table idem_record add column tombstone blob;

create table if not exists idem_tombstone (
    -- The first 128 bits of a SHA-256 of scope, operation and key, none of which can be read from it.
    digest blob not null primary key,
    -- Until when the key is refused: milliseconds since 1970, by the database's clock.
    expires_at integer not null
) without rowid;

create index if not exists idem_tombstone_expires_at on idem_tombstone (expires_at);
