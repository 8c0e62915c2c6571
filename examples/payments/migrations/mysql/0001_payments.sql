create table payment (
    id bigint auto_increment primary key,
    -- Text is compared as it is, whatever the server's default.
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    amount bigint not null check (amount between 1 and 99999999),
    currency varchar(3) character set ascii collate ascii_bin not null,
    reference longtext character set utf8mb4 collate utf8mb4_bin,
    status varchar(255) character set ascii collate ascii_bin not null,
    refunded bigint not null default 0,
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')),
    check (refunded between 0 and amount)
) engine = InnoDB;

create index payment_by_tenant on payment (tenant, id);

create table refund (
    id bigint auto_increment primary key,
    payment_id bigint not null,
    amount bigint not null check (amount > 0),
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')),
    foreign key (payment_id) references payment (id)
) engine = InnoDB;
