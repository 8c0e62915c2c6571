-- What happened, until the relay has handed it to the broker.
create table event (
    id bigint auto_increment primary key,
    message_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null unique,
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    kind varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    payload longtext character set utf8mb4 collate utf8mb4_bin not null,
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'))
) engine = InnoDB;

-- The broker of those who have none: a row per consumer and event.
create table queue_message (
    id bigint auto_increment primary key,
    consumer varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    message_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    payload longblob not null,
    deliveries bigint not null default 0,
    -- When it may be received, in milliseconds since 1970 by the clock of the database.
    visible_at bigint not null default 0
) engine = InnoDB;

create index queue_message_by_time on queue_message (consumer, visible_at, id);

-- Nothing keeps an event from being booked twice, here or in receipt: that is the inbox's part.
create table ledger_entry (
    id bigint auto_increment primary key,
    message_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    payment_id bigint not null,
    account varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    amount bigint not null,
    currency varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'))
) engine = InnoDB;

create table receipt (
    id bigint auto_increment primary key,
    message_id varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    tenant varchar(255) character set utf8mb4 collate utf8mb4_bin not null,
    payment_id bigint not null,
    text longtext character set utf8mb4 collate utf8mb4_bin not null,
    created_at varchar(24) character set ascii collate ascii_bin not null
        default (concat(left(date_format(utc_timestamp(3), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'))
) engine = InnoDB;
