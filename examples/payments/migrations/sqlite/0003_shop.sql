create table customer_order (
    id integer primary key autoincrement,
    tenant text not null,
    currency text not null,
    total integer not null check (total between 1 and 99999999),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

create table order_line (
    order_id integer not null references customer_order (id),
    number integer not null,
    sku text not null,
    quantity integer not null check (quantity > 0),
    unit_price integer not null check (unit_price > 0),
    primary key (order_id, number)
);

create table subscription (
    id integer primary key autoincrement,
    tenant text not null,
    customer text not null,
    plan text not null,
    -- In milliseconds since 1970.
    began_at integer not null,
    changes integer not null default 0
);

-- Nothing keeps a change of plan from being charged twice: that is Idem's part.
create table proration (
    id integer primary key autoincrement,
    subscription_id integer not null references subscription (id),
    from_plan text not null,
    to_plan text not null,
    amount integer not null,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

create table notification (
    id integer primary key autoincrement,
    tenant text not null,
    recipient text not null,
    text text not null,
    send_key text not null,
    status text not null default 'queued',
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

create index notification_by_status on notification (status, id);

create table stock (
    tenant text not null,
    sku text not null,
    available integer not null check (available >= 0),
    primary key (tenant, sku)
);

create table reservation (
    id integer primary key autoincrement,
    tenant text not null,
    sku text not null,
    quantity integer not null check (quantity > 0),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

-- What the card network has told of payments. The status of the highest number holds.
alter table payment add column network_status text;
alter table payment add column network_sequence integer not null default 0;

-- Nothing keeps an event from standing here twice: that is the inbox's part.
create table network_event (
    id integer primary key autoincrement,
    event_id text not null,
    payment_id integer not null references payment (id),
    status text not null,
    sequence integer not null,
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
