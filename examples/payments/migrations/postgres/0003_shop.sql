create table customer_order (
    id bigint generated always as identity primary key,
    tenant text not null,
    currency text not null,
    total bigint not null check (total between 1 and 99999999),
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);

create table order_line (
    order_id bigint not null references customer_order (id),
    number bigint not null,
    sku text not null,
    quantity bigint not null check (quantity > 0),
    unit_price bigint not null check (unit_price > 0),
    primary key (order_id, number)
);

create table subscription (
    id bigint generated always as identity primary key,
    tenant text not null,
    customer text not null,
    plan text not null,
    -- In milliseconds since 1970.
    began_at bigint not null,
    changes bigint not null default 0
);

-- Nothing keeps a change of plan from being charged twice: that is Idem's part.
create table proration (
    id bigint generated always as identity primary key,
    subscription_id bigint not null references subscription (id),
    from_plan text not null,
    to_plan text not null,
    amount bigint not null,
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);

create table notification (
    id bigint generated always as identity primary key,
    tenant text not null,
    recipient text not null,
    text text not null,
    send_key text not null,
    status text not null default 'queued',
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);

create index notification_by_status on notification (status, id);

create table stock (
    tenant text not null,
    sku text not null,
    available bigint not null check (available >= 0),
    primary key (tenant, sku)
);

create table reservation (
    id bigint generated always as identity primary key,
    tenant text not null,
    sku text not null,
    quantity bigint not null check (quantity > 0),
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);

-- What the card network has told of payments. The status of the highest number holds.
alter table payment add column network_status text;
alter table payment add column network_sequence bigint not null default 0;

-- Nothing keeps an event from standing here twice: that is the inbox's part.
create table network_event (
    id bigint generated always as identity primary key,
    event_id text not null,
    payment_id bigint not null references payment (id),
    status text not null,
    sequence bigint not null,
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);
