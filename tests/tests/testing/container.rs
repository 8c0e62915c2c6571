//! The same application on Postgres in a container.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use idem_axum::Idempotency;
use sqlx::PgPool;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};
use tower::ServiceExt;

use super::shop::{Shop, Supplier, app};

#[tokio::test]
async fn a_retry_is_replayed_on_postgres() {
    let postgres = GenericImage::new("postgres", "18")
        .with_exposed_port(5432.tcp())
        .with_wait_for(WaitFor::message_on_stderr("ready to accept connections"))
        .with_env_var("POSTGRES_PASSWORD", "test")
        .start() // removed when `postgres` is dropped
        .await
        .unwrap();
    let port = postgres.get_host_port_ipv4(5432).await.unwrap();
    let url = format!("postgres://postgres:test@127.0.0.1:{port}/postgres");
    let pool = PgPool::connect(&url).await.unwrap();
    let create = sqlx::query("create table item (name text not null)");
    create.execute(&pool).await.unwrap();
    let idem = Idempotency::new(pool.clone());
    idem.migrate().await.unwrap();
    let app = app(Shop {
        idem,
        supplier: Supplier::default(),
    });

    for replays in [false, true] {
        let request = Request::post("/orders")
            .header("idempotency-key", "k")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from("\"tea\""));
        let answer = app.clone().oneshot(request.unwrap()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        assert_eq!(answer.headers().contains_key(idem_axum::REPLAYED), replays);
    }
    let count = sqlx::query_scalar::<_, i64>("select count(*) from item");
    assert_eq!(count.fetch_one(&pool).await.unwrap(), 1);
}
