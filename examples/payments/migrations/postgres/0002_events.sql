-- What happened, until the relay has handed it to the broker.
create table event (
    id bigint generated always as identity primary key,
    message_id text not null unique,
    tenant text not null,
    kind text not null,
    payload text not null,
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);

-- The broker of those who have none: a row per consumer and event.
create table queue_message (
    id bigint generated always as identity primary key,
    consumer text not null,
    message_id text not null,
    payload bytea not null,
    deliveries bigint not null default 0,
    -- When it may be received, in milliseconds since 1970 by the clock of the database.
    visible_at bigint not null default 0
);

create index queue_message_by_time on queue_message (consumer, visible_at, id);

-- Nothing keeps an event from being booked twice, here or in receipt: that is the inbox's part.
create table ledger_entry (
    id bigint generated always as identity primary key,
    message_id text not null,
    tenant text not null,
    payment_id bigint not null,
    account text not null,
    amount bigint not null,
    currency text not null,
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);

create table receipt (
    id bigint generated always as identity primary key,
    message_id text not null,
    tenant text not null,
    payment_id bigint not null,
    text text not null,
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);
