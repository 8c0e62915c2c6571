//! The application whose handler does what its request says, with layers.

use std::ops::Deref;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use idem_axum::{Idempotency, IdempotencyLayer, LayerTx, WhileRunning};
use sqlx::Pool;

use super::super::super::support::scripted_app as by_attribute;
use super::app::{NewPayment, Paid, Tenant};
use super::{Db, TestDb};

pub use super::super::super::support::scripted_app::{all, send};

/// One node, which differs from the attribute's in its routes alone.
#[derive(Clone)]
pub struct Node(by_attribute::Node);

impl Deref for Node {
    type Target = by_attribute::Node;

    fn deref(&self) -> &by_attribute::Node {
        &self.0
    }
}

impl Node {
    pub async fn start(db: &TestDb) -> Self {
        Self(by_attribute::Node::start(db).await)
    }

    pub fn on(pool: Pool<Db>) -> Self {
        Self(by_attribute::Node::on(pool))
    }

    pub fn with(idem: Idempotency<Db>) -> Self {
        Self(by_attribute::Node::with(idem))
    }

    pub fn app(&self) -> Router {
        let pay = || {
            let layer = IdempotencyLayer::scoped::<Tenant, _>(&self.0).with_tx();
            layer.operation("pay").ttl(Duration::from_secs(24 * 3600))
        };
        let long = || pay().timeout(Duration::from_secs(30));
        let wait = |ms| WhileRunning::Wait(Duration::from_millis(ms));
        let reject = long().store(&[402]).while_running(WhileRunning::Reject);
        let patient = long().store(&[402]).while_running(wait(20_000));
        Router::new()
            .route("/reject", post(act).layer(reject))
            .route("/wait", post(act).layer(patient))
            .route(
                "/wait-plainly",
                post(act).layer(long().while_running(wait(20_000))),
            )
            .route(
                "/impatient",
                post(act).layer(long().while_running(wait(50))),
            )
            .route("/brief", post(act).layer(pay()))
            .route("/read", get(by_attribute::read))
            .with_state(self.0.clone())
    }
}

async fn act(
    State(node): State<by_attribute::Node>,
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: LayerTx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    by_attribute::act(&node, &tenant, &headers, &mut tx.tx(), new).await
}
