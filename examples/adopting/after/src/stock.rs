use sqlx::SqliteConnection;

#[derive(Clone)]
pub(crate) struct StockRepository;

impl StockRepository {
    /// Takes this many from the shelf, and returns the price of one. `None`: there are not enough.
    pub(crate) async fn take(
        &self,
        conn: &mut SqliteConnection,
        sku: &str,
        quantity: i64,
    ) -> sqlx::Result<Option<i64>> {
        let take =
            "update item set stock = stock - $1 where sku = $2 and stock >= $1 returning price";
        sqlx::query_scalar(take)
            .bind(quantity)
            .bind(sku)
            .fetch_optional(conn)
            .await
    }

    /// Puts what an order has taken back.
    pub(crate) async fn put_back(
        &self,
        conn: &mut SqliteConnection,
        order: i64,
    ) -> sqlx::Result<()> {
        let put = "update item set stock = stock + line.quantity from order_line as line \
                   where line.order_id = $1 and line.sku = item.sku";
        sqlx::query(put).bind(order).execute(conn).await?;
        Ok(())
    }
}
