//! A handler runs on its own task, into which the application can carry its context.

use axum::Router;
use axum::body::Bytes;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::post;
use idem_axum::idempotent;

use super::support::app::{AppState, engine, payment};
use super::{TestDb, idem_on};

tokio::task_local! {
    static CALLER: String;
}

#[idempotent(scope = "tenant")]
async fn name_caller(_: Bytes) -> String {
    caller()
}

fn caller() -> String {
    let caller = CALLER.try_with(Clone::clone);
    caller.unwrap_or_else(|_| "nobody".to_owned())
}

async fn with_caller(request: Request, next: Next) -> Response {
    CALLER.scope("alice".to_owned(), next.run(request)).await
}

#[tokio::test]
async fn wrap_attempts_can_carry_a_task_local_into_the_handler() {
    let db = TestDb::new().await;
    let plain = engine(&db).await;
    let hooked = idem_on(db.pool().await).wrap_attempts(|attempt| {
        let caller = caller();
        Box::pin(CALLER.scope(caller, attempt))
    });
    for (idem, key, expected) in [(plain, "a", "nobody"), (hooked.build(), "b", "alice")] {
        let routes = Router::new().route("/caller", post(name_caller));
        let app = routes.layer(from_fn(with_caller));
        let app = app.with_state(AppState::new(idem));
        let answer = payment("/caller").key(key).send(&app).await;
        assert_eq!(answer.body, expected);
        let retry = payment("/caller").key(key).send(&app).await;
        assert!(retry.is_replay(), "{retry:?}");
    }
}
