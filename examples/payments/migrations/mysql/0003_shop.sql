create table customer_order (
    id bigint auto_increment primary key,
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    currency varchar(3) character set ascii collate ascii_bin not null,
    total bigint not null check (total between 1 and 99999999),
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'))
) engine = InnoDB;

create table order_line (
    order_id bigint not null,
    number bigint not null,
    sku varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    quantity bigint not null check (quantity > 0),
    unit_price bigint not null check (unit_price > 0),
    primary key (order_id, number),
    foreign key (order_id) references customer_order (id)
) engine = InnoDB;

create table subscription (
    id bigint auto_increment primary key,
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    customer varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    plan varchar(255) character set ascii collate ascii_bin not null,
    -- In milliseconds since 1970.
    began_at bigint not null,
    changes bigint not null default 0
) engine = InnoDB;

-- Nothing keeps a change of plan from being charged twice: that is Idem's part.
create table proration (
    id bigint auto_increment primary key,
    subscription_id bigint not null,
    from_plan varchar(255) character set ascii collate ascii_bin not null,
    to_plan varchar(255) character set ascii collate ascii_bin not null,
    amount bigint not null,
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')),
    foreign key (subscription_id) references subscription (id)
) engine = InnoDB;

create table notification (
    id bigint auto_increment primary key,
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    recipient varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    text longtext character set utf8mb4 collate utf8mb4_bin not null,
    send_key varchar(36) character set ascii collate ascii_bin not null,
    status varchar(255) character set ascii collate ascii_bin not null default 'queued',
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'))
) engine = InnoDB;

create index notification_by_status on notification (status, id);

create table stock (
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    sku varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    available bigint not null check (available >= 0),
    primary key (tenant, sku)
) engine = InnoDB;

create table reservation (
    id bigint auto_increment primary key,
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    sku varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    quantity bigint not null check (quantity > 0),
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'))
) engine = InnoDB;

-- What the card network has told of payments. The status of the highest number holds.
alter table payment
    add column network_status varchar(255) character set ascii collate ascii_bin,
    add column network_sequence bigint not null default 0;

-- Nothing keeps an event from standing here twice: that is the inbox's part.
create table network_event (
    id bigint auto_increment primary key,
    event_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    payment_id bigint not null,
    status varchar(255) character set ascii collate ascii_bin not null,
    sequence bigint not null,
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z')),
    foreign key (payment_id) references payment (id)
) engine = InnoDB;
