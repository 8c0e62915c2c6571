-- Messages whose handling has failed. Run by idem.migrate(), or copied into the application's own migrations.
create table if not exists idem.dead_letter (
    id bigint generated always as identity primary key,
    -- The name of the record that the message would have left, see 0001_record.sql. Once it is parked
    -- it has one, of status 410; a message that was handled has one of status 200.
    scope text collate "C" not null check (octet_length(scope) between 1 and 255),
    operation text collate "C" not null check (octet_length(operation) between 1 and 255),
    key text collate "C" not null check (octet_length(key) between 1 and 255),
    -- The id as the broker has it: a long one is hashed in the key.
    message_id bytea not null,
    attempts integer not null,
    error text,
    -- Where the payload is in the broker, and the payload itself, if the consumer has given them.
    reference text,
    payload bytea,
    first_attempt_at timestamptz not null default clock_timestamp(),
    last_attempt_at timestamptz not null default clock_timestamp(),
    -- Null while the message is still tried.
    parked_at timestamptz,
    -- When it was last handed back to its consumer.
    redriven_at timestamptz,
    -- When the count of a message that is still tried is forgotten.
    expires_at timestamptz not null,
    unique (scope, operation, key)
);

create index if not exists dead_letter_parked on idem.dead_letter (operation, id) where parked_at is not null;
create index if not exists dead_letter_expires_at on idem.dead_letter (expires_at) where parked_at is null;
