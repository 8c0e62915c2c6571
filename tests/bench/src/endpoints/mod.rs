//! The measured endpoints: one handler that inserts a payment, protected in each of several ways.

mod bare;
mod by_hand;
mod idem;
mod slow;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use sqlx::{Database, Pool};

use super::{BEGIN, Db, FIND_KEY, INSERT_KEY, INSERT_PAYMENT, READ_ANSWER, STORE_ANSWER};
use crate::nodes::Node;

/// The routes of a node of this kind, with Idem's own limit of attempts or this one.
pub(crate) fn routes(node: Node, pool: Pool<Db>, max_attempts: Option<usize>) -> Router {
    let watching = slow::watching_routes(pool.clone());
    let routes = match node {
        Node::Bare => bare::routes(pool),
        Node::ByHand => by_hand::routes(pool),
        _ => idem::routes(node, pool, max_attempts),
    };
    routes.merge(watching)
}

#[derive(Deserialize, Serialize)]
struct NewPayment {
    amount: i64,
    reference: String,
}

#[derive(Serialize)]
struct Payment {
    id: i64,
    amount: i64,
    reference: String,
}

/// The effect of each endpoint.
async fn insert(
    conn: &mut <Db as Database>::Connection,
    new: NewPayment,
) -> Result<Payment, Failed> {
    let id = sqlx::query_scalar(INSERT_PAYMENT)
        .bind("acme")
        .bind(new.amount)
        .bind(&new.reference)
        .fetch_one(conn)
        .await?;
    Ok(Payment::new(id, new))
}

impl Payment {
    fn new(id: i64, NewPayment { amount, reference }: NewPayment) -> Self {
        Self {
            id,
            amount,
            reference,
        }
    }
}

/// A worker that gets this response panics with its text.
struct Failed(String);

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, self.0).into_response()
    }
}
