//! A handler that is documented as reading only needs no key, and each request of it would get 500.
#![deny(warnings)]

#[path = "../app.rs"]
mod app;

use app::*;
use utoipa::OpenApi;

#[idempotent(scope = "tenant")]
#[utoipa::path(get, path = "/payments", responses((status = 200)))]
async fn list(State(_): State<AppState>) {}

#[idempotent(scope = "tenant")]
#[utoipa::path(method(post, head), path = "/orders", responses((status = 200)))]
async fn order(State(_): State<AppState>) {}

#[derive(OpenApi)]
#[openapi(paths(list, order))]
struct Api;

fn main() {
    let _: Router<AppState> = Router::new().route("/payments", post(list).put(order));
    Api::openapi();
}
