create table item (
    sku   text primary key,
    price integer not null,
    stock integer not null check (stock >= 0)
);

create table customer_order (
    id       integer primary key autoincrement,
    customer text not null,
    total    integer not null,
    status   text not null default 'placed'
);

create table order_line (
    order_id integer not null references customer_order,
    sku      text not null references item,
    quantity integer not null,
    primary key (order_id, sku)
);

create table audit (
    id       integer primary key autoincrement,
    customer text not null,
    event    text not null
);

insert into item (sku, price, stock) values ('chair', 4900, 100), ('table', 18900, 20);
