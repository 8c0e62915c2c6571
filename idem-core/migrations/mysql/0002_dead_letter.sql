-- Messages whose handling has failed. Run by idem.migrate(), or copied into the application's own migrations.
create table if not exists idem_dead_letter (
    id bigint not null auto_increment primary key,
    -- The name of the record that the message would have left, see 0001_record.sql. Once it is parked
    -- it has one, of status 410; a message that was handled has one of status 200.
    scope varbinary(255) not null check (length(scope) > 0),
    operation varbinary(255) not null check (length(operation) > 0),
    `key` varbinary(255) not null check (length(`key`) > 0),
    -- The id as the broker has it: a long one is hashed in the key.
    message_id longblob not null,
    attempts integer not null,
    error longtext character set utf8mb4 collate utf8mb4_bin,
    -- Where the payload is in the broker, and the payload itself, if the consumer has given them.
    reference longtext character set utf8mb4 collate utf8mb4_bin,
    payload longblob,
    -- UTC, by the database's clock.
    first_attempt_at datetime(6) not null,
    last_attempt_at datetime(6) not null,
    -- Null while the message is still tried.
    parked_at datetime(6),
    -- When it was last handed back to its consumer.
    redriven_at datetime(6),
    -- When the count of a message that is still tried is forgotten.
    expires_at datetime(6) not null,
    unique key idem_dead_letter_name (scope, operation, `key`),
    key idem_dead_letter_parked (operation, parked_at),
    key idem_dead_letter_expires_at (parked_at, expires_at)
) engine = InnoDB row_format = dynamic;
