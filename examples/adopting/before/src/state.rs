use axum::extract::FromRef;
use sqlx::SqlitePool;

use crate::audit::AuditLog;
use crate::auth::Tokens;
use crate::orders::{OrderRepository, OrderService};
use crate::stock::StockRepository;

#[derive(Clone)]
pub(crate) struct AppState {
    orders: OrderService,
    tokens: Tokens,
}

impl AppState {
    pub(crate) fn new(pool: SqlitePool, tokens: Tokens) -> Self {
        let orders = OrderRepository::new(pool.clone());
        let orders = OrderService::new(orders, StockRepository, AuditLog::new(pool.clone()), pool);
        Self { orders, tokens }
    }
}

impl FromRef<AppState> for OrderService {
    fn from_ref(state: &AppState) -> Self {
        state.orders.clone()
    }
}

impl FromRef<AppState> for Tokens {
    fn from_ref(state: &AppState) -> Self {
        state.tokens.clone()
    }
}
