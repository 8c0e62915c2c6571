create table payment (
    id bigint generated always as identity primary key,
    tenant text not null,
    amount bigint not null check (amount between 1 and 99999999),
    currency text not null,
    reference text,
    status text not null,
    refunded bigint not null default 0 check (refunded between 0 and amount),
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);

create index payment_by_tenant on payment (tenant, id);

create table refund (
    id bigint generated always as identity primary key,
    payment_id bigint not null references payment (id),
    amount bigint not null check (amount > 0),
    created_at text not null
        default to_char(clock_timestamp() at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
);
