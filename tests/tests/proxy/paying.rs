//! A database behind a proxy, and payments through it.

use idem_tests::proxy::Proxy;
use sqlx::{Connection as _, Database, Pool, Transaction, pool::PoolOptions};

use super::{Db, INSERT_PAYMENT, TestDb};

pub type Connection = <Db as Database>::Connection;

pub async fn proxied() -> (TestDb, Proxy) {
    let db = TestDb::new().await;
    let proxy = Proxy::to(&db.url()).await;
    (db, proxy)
}

pub async fn connect(proxy: &Proxy) -> Connection {
    Connection::connect(proxy.url()).await.unwrap()
}

pub async fn pool(proxy: &Proxy) -> Pool<Db> {
    PoolOptions::new()
        .max_connections(1)
        .connect(proxy.url())
        .await
        .unwrap()
}

pub async fn pay_on(mut connection: Connection) -> sqlx::Result<()> {
    pay(&mut connection).await
}

pub async fn pay(connection: &mut Connection) -> sqlx::Result<()> {
    sqlx::query(INSERT_PAYMENT)
        .bind("acme")
        .bind(100_i64)
        .bind("order 1")
        .execute(connection)
        .await
        .map(|_| ())
}

/// A transaction that has paid, on a separate connection.
pub async fn paid(pool: &Pool<Db>) -> Transaction<'static, Db> {
    let connection = pool.acquire().await.unwrap();
    let mut tx = Transaction::begin(connection, None).await.unwrap();
    pay(&mut tx).await.unwrap();
    tx
}
