use sqlx::SqlitePool;

use super::model::{NewOrder, Order};
use super::repository::OrderRepository;
use crate::audit::AuditLog;
use crate::error::ApiError;
use crate::stock::StockRepository;

#[derive(Clone)]
pub(crate) struct OrderService {
    orders: OrderRepository,
    stock: StockRepository,
    audit: AuditLog,
    pool: SqlitePool,
}

impl OrderService {
    pub(crate) fn new(
        orders: OrderRepository,
        stock: StockRepository,
        audit: AuditLog,
        pool: SqlitePool,
    ) -> Self {
        Self {
            orders,
            stock,
            audit,
            pool,
        }
    }

    pub(crate) async fn find(&self, customer: &str, id: i64) -> Result<Order, ApiError> {
        let order = self.orders.find(customer, id).await?;
        order.ok_or(ApiError::NotFound)
    }

    pub(crate) async fn place(&self, customer: &str, new: &NewOrder) -> Result<Order, ApiError> {
        let mut tx = self.pool.begin().await?;
        let mut total = 0;
        for line in &new.lines {
            let price = self.stock.take(&mut tx, &line.sku, line.quantity).await?;
            let price = price.ok_or_else(|| ApiError::SoldOut(line.sku.clone()))?;
            total += price * line.quantity;
        }
        let order = self
            .orders
            .insert(&mut tx, customer, total, &new.lines)
            .await?;
        tx.commit().await?;
        self.audit.write(customer, "order placed").await?;
        Ok(order)
    }

    pub(crate) async fn cancel(&self, customer: &str, id: i64) -> Result<Order, ApiError> {
        self.find(customer, id).await?;
        let mut tx = self.pool.begin().await?;
        let order = self.orders.cancel(&mut tx, id).await?;
        let order = order.ok_or(ApiError::Cancelled)?;
        self.stock.put_back(&mut tx, id).await?;
        tx.commit().await?;
        self.audit.write(customer, "order cancelled").await?;
        Ok(order)
    }
}
