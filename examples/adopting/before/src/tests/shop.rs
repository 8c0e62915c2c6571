use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::Value;
use sqlx::SqlitePool;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::app;
use crate::auth::{Claims, Tokens};
use crate::state::AppState;

const SECRET: &str = "a secret of the tests";

pub(super) static ALICE: LazyLock<String> = LazyLock::new(|| token("alice"));
pub(super) static BOB: LazyLock<String> = LazyLock::new(|| token("bob"));

fn token(customer: &str) -> String {
    let claims = Claims {
        sub: customer.to_owned(),
        exp: 32_503_680_000,
    };
    let key = EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
    encode(&Header::default(), &claims, &key).unwrap()
}

pub(super) struct Shop {
    pub(super) router: Router,
    pub(super) pool: SqlitePool,
    _folder: TempDir,
}

impl Shop {
    pub(super) async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let url = format!("sqlite://{}/shop.db?mode=rwc", folder.path().display());
        let pool = SqlitePool::connect(&url).await.unwrap();
        sqlx::migrate!().run(&pool).await.unwrap();
        let router = app::router(AppState::new(pool.clone(), Tokens::new(SECRET).unwrap()));
        Self {
            router,
            pool,
            _folder: folder,
        }
    }

    pub(super) async fn count(&self, what: &'static str) -> i64 {
        sqlx::query_scalar(what)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }

    pub(super) async fn stock(&self) -> i64 {
        self.count("select stock from item where sku = 'chair'")
            .await
    }
}

pub(super) struct Call(Request<Body>);

impl Call {
    pub(super) fn new(method: Method, path: &str, body: &str) -> Self {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(CONTENT_TYPE, "application/json");
        Self(request.body(Body::from(body.to_owned())).unwrap())
    }

    pub(super) fn by(self, token: &str) -> Self {
        self.header(AUTHORIZATION.as_str(), &format!("Bearer {token}"))
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        let name: axum::http::HeaderName = name.parse().unwrap();
        self.0.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    pub(super) async fn send(self, shop: &Shop) -> (StatusCode, Value) {
        let response = shop.router.clone().oneshot(self.0).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }
}

pub(super) fn place(body: &str) -> Call {
    Call::new(Method::POST, "/api/v1/orders", body)
}

pub(super) fn cancel(id: i64) -> Call {
    Call::new(Method::POST, &format!("/api/v1/orders/{id}/cancel"), "")
}
