use axum::extract::FromRef;
use axum::response::IntoResponse;
use idem_axum::{HasIdempotency, HttpOptions, Idempotency};
use sqlx::{Sqlite, SqlitePool};

use crate::audit::AuditLog;
use crate::auth::Tokens;
use crate::error::ApiError;
use crate::orders::{OrderRepository, OrderService};
use crate::stock::StockRepository;

#[derive(Clone, HasIdempotency)]
pub(crate) struct AppState {
    pub(crate) idem: Idempotency<Sqlite>,
    orders: OrderService,
    tokens: Tokens,
}

impl AppState {
    pub(crate) fn new(pool: SqlitePool, tokens: Tokens) -> Self {
        let orders = OrderService::new(OrderRepository, StockRepository, AuditLog, pool.clone());
        let idem = Idempotency::builder(pool)
            .render(|why| ApiError::from(why).into_response())
            .build();
        Self {
            idem,
            orders,
            tokens,
        }
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
