-- What happened, until the relay has handed it to the broker.
create table event (
    id integer primary key autoincrement,
    message_id text not null unique,
    tenant text not null,
    kind text not null,
    payload text not null,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- The broker of those who have none: a row per consumer and event.
create table queue_message (
    id integer primary key autoincrement,
    consumer text not null,
    message_id text not null,
    payload blob not null,
    deliveries integer not null default 0,
    -- When it may be received, in milliseconds since 1970 by the clock of the database.
    visible_at integer not null default 0
);

create index queue_message_by_time on queue_message (consumer, visible_at, id);

-- Nothing keeps an event from being booked twice, here or in receipt: that is the inbox's part.
create table ledger_entry (
    id integer primary key autoincrement,
    message_id text not null,
    tenant text not null,
    payment_id integer not null,
    account text not null,
    amount integer not null,
    currency text not null,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

create table receipt (
    id integer primary key autoincrement,
    message_id text not null,
    tenant text not null,
    payment_id integer not null,
    text text not null,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
