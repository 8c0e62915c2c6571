create table payment (
    id integer primary key autoincrement,
    tenant text not null,
    amount integer not null check (amount between 1 and 99999999),
    currency text not null,
    reference text,
    status text not null,
    refunded integer not null default 0 check (refunded between 0 and amount),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

create index payment_by_tenant on payment (tenant, id);

create table refund (
    id integer primary key autoincrement,
    payment_id integer not null references payment (id),
    amount integer not null check (amount > 0),
    created_at text not null default (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
