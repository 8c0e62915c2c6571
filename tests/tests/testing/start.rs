//! What each test on SQLite begins with.

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use idem_axum::Idempotency;
use sqlx::SqlitePool;
use tempfile::TempDir;
use tower::ServiceExt;

use super::shop::{Shop, Supplier, app};

pub struct Test {
    pub app: Router,
    pub shop: Shop,
    pub pool: SqlitePool,
    pub _folder: TempDir, // removed with the value
}

/// A database and a node of its own for each test; `plan` is the mode of its operations.
pub async fn start(plan: &str, supplier: Supplier) -> Test {
    let folder = TempDir::new().unwrap();
    // A file, since each connection to `:memory:` has a database of its own.
    let url = format!("sqlite://{}/test.db?mode=rwc", folder.path().display());
    let pool = SqlitePool::connect(&url).await.unwrap();
    let create = sqlx::query("create table item (name text not null)");
    create.execute(&pool).await.unwrap();
    let idem = Idempotency::builder(pool.clone())
        .rollout(plan.parse().unwrap())
        .build();
    idem.migrate().await.unwrap();
    let shop = Shop { idem, supplier };
    Test {
        app: app(shop.clone()),
        shop,
        pool,
        _folder: folder,
    }
}

impl Test {
    /// Sends an order; says its status, and whether the answer is a replay.
    pub async fn order(&self, key: &str, name: &str) -> (StatusCode, bool) {
        let request = Request::post("/orders")
            .header("idempotency-key", key)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(format!("{name:?}")))
            .unwrap();
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let is_replay = answer.headers().contains_key(idem_axum::REPLAYED);
        (answer.status(), is_replay)
    }

    pub async fn items(&self) -> i64 {
        let count = sqlx::query_scalar("select count(*) from item");
        count.fetch_one(&self.pool).await.unwrap()
    }
}
