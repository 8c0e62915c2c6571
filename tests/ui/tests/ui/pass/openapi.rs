//! `utoipa::path` sees the handler as it was written; from below also the policy. What registers the
//! handler needs no unsafe code and leaves no warning, wherever the handler is.
#![deny(warnings)]
#![forbid(unsafe_code)]

#[path = "../app.rs"]
mod app;

use app::*;
use utoipa::OpenApi;

/// Pays.
///
/// At once.
#[utoipa::path(post, path = "/above/{id}", responses((status = 201)))]
#[idempotent(scope = "tenant", ttl = "24h")]
async fn above(State(_): State<AppState>, Path(_id): Path<u8>, _tx: Tx<Sqlite>, _body: String) {}

/// Pays.
///
/// At once.
#[idempotent(scope = "tenant", ttl = "24h")]
#[utoipa::path(post, path = "/below/{id}", responses((status = 201)))]
async fn below(State(_): State<AppState>, Path(_id): Path<u8>, _tx: Tx<Sqlite>, _body: String) {}

#[idempotent(scope = "tenant", ttl = "24h")]
#[utoipa::path(post, path = "/undocumented", responses((status = 201)))]
async fn undocumented(State(_): State<AppState>) {}

/// Pays in bulk.
#[utoipa::path(post, path = "/generic", responses((status = 201)))]
#[idempotent(scope = "tenant")]
pub(crate) async fn generic<T: Send + 'static, const N: usize>(State(_): State<AppState>)
where
    T: Default,
{
}

enum Handlers {}

impl Handlers {
    #[idempotent(scope = "tenant")]
    async fn r#move(State(_): State<AppState>) {}
}

macro_rules! handler {
    ($name:ident) => {
        #[idempotent(scope = "tenant")]
        #[utoipa::path(post, path = "/made", responses((status = 201)))]
        async fn $name(State(_): State<AppState>) {}
    };
}

handler!(made);

#[derive(OpenApi)]
#[openapi(paths(above, below, undocumented, generic, made))]
struct Api;

pub(crate) fn main() {
    let _: Router<AppState> = Router::new()
        .route("/above/{id}", post(above))
        .route("/below/{id}", post(below).put(undocumented))
        .route("/generic", post(generic::<u8, 3>))
        .route("/made", post(made).put(Handlers::r#move));
    let api = Api::openapi();
    let operation = |path: &str| {
        let path = api.paths.paths.get(path).and_then(|item| item.post.clone());
        path.unwrap_or_else(|| panic!("the path is documented"))
    };
    let (above, below) = (operation("/above/{id}"), operation("/below/{id}"));
    assert_eq!(above.summary.as_deref(), Some("Pays."));
    assert_eq!(below.summary, above.summary);
    assert_eq!(below.request_body.is_some(), above.request_body.is_some());
    let described = below.description.unwrap_or_default();
    assert!(described.contains("At once."));
    assert!(described.contains("Answers with status 2xx or 3xx are kept for 24h"));
    let undocumented = operation("/undocumented");
    let summary = "The idempotency key is required; a retry carries the same key.";
    assert_eq!(undocumented.summary.as_deref(), Some(summary));
}
