-- Messages whose handling has failed. Run by idem.migrate(), or copied into the application's own migrations.
create table if not exists idem_dead_letter (
    id integer primary key autoincrement,
    -- The name of the record that the message would have left, see 0001_record.sql. Once it is parked
    -- it has one, of status 410; a message that was handled has one of status 200.
    scope text not null check (octet_length(scope) between 1 and 255),
    operation text not null check (octet_length(operation) between 1 and 255),
    key text not null check (octet_length(key) between 1 and 255),
    -- The id as the broker has it: a long one is hashed in the key.
    message_id blob not null,
    attempts integer not null,
    error text,
    -- Where the payload is in the broker, and the payload itself, if the consumer has given them.
    reference text,
    payload blob,
    -- Milliseconds since 1970, by the database's clock.
    first_attempt_at integer not null,
    last_attempt_at integer not null,
    -- Null while the message is still tried.
    parked_at integer,
    -- When it was last handed back to its consumer.
    redriven_at integer,
    -- When the count of a message that is still tried is forgotten.
    expires_at integer not null,
    unique (scope, operation, key)
);

create index if not exists idem_dead_letter_parked on idem_dead_letter (operation, id) where parked_at is not null;
create index if not exists idem_dead_letter_expires_at on idem_dead_letter (expires_at) where parked_at is null;
