use sqlx::{SqliteConnection, SqliteExecutor};

use super::model::{Line, Order};

#[derive(Clone)]
pub(crate) struct OrderRepository;

impl OrderRepository {
    pub(crate) async fn find(
        &self,
        db: impl SqliteExecutor<'_>,
        customer: &str,
        id: i64,
    ) -> sqlx::Result<Option<Order>> {
        let find = "select id, total, status from customer_order where customer = $1 and id = $2";
        sqlx::query_as(find)
            .bind(customer)
            .bind(id)
            .fetch_optional(db)
            .await
    }

    pub(crate) async fn insert(
        &self,
        conn: &mut SqliteConnection,
        customer: &str,
        total: i64,
        lines: &[Line],
    ) -> sqlx::Result<Order> {
        let insert = "insert into customer_order (customer, total) values ($1, $2) \
                      returning id, total, status";
        let order: Order = sqlx::query_as(insert)
            .bind(customer)
            .bind(total)
            .fetch_one(&mut *conn)
            .await?;
        for line in lines {
            sqlx::query("insert into order_line (order_id, sku, quantity) values ($1, $2, $3)")
                .bind(order.id)
                .bind(&line.sku)
                .bind(line.quantity)
                .execute(&mut *conn)
                .await?;
        }
        Ok(order)
    }

    /// `None`: it is cancelled already.
    pub(crate) async fn cancel(
        &self,
        conn: &mut SqliteConnection,
        id: i64,
    ) -> sqlx::Result<Option<Order>> {
        let cancel = "update customer_order set status = 'cancelled' \
                      where id = $1 and status = 'placed' returning id, total, status";
        sqlx::query_as(cancel).bind(id).fetch_optional(conn).await
    }
}
