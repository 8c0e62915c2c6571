//! A scope that is a parameter of the handler: its extractor runs once.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::post;
use axum::{Extension, Json, Router};
use idem_axum::{ScopeKey, Tx, idempotent};

use super::Db;
use super::support::app::{AppState, NewPayment, Paid, has_paid, pay, payment, problem, start};

/// The session of a user, whose store is asked for each extraction.
struct Session(String);

#[derive(Clone, Default)]
struct SessionStore(Arc<AtomicUsize>);

impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        let store = parts.extensions.get::<SessionStore>().unwrap();
        store.0.fetch_add(1, Ordering::SeqCst);
        let user = parts.headers.get("authorization").map(|user| user.to_str());
        user.map(|user| Self(user.unwrap().to_owned()))
            .ok_or(StatusCode::UNAUTHORIZED)
    }
}

impl ScopeKey for Session {
    fn scope_key(&self) -> Cow<'_, str> {
        let nobody = "Bearer nobody";
        self.0.strip_prefix(nobody).map_or(&*self.0, |_| "").into()
    }
}

#[idempotent(scope = session)]
async fn pay_by_session(session: Session, mut tx: Tx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx, &session.0, new).await
}

/// The scope is the last parameter that an extractor fills.
#[idempotent(scope = session)]
async fn close_account(mut tx: Tx<Db>, Session(session): Session) -> Paid {
    pay(&mut tx, &session, super::support::app::FIVE).await
}

#[derive(Clone)]
struct Caller(String);

impl ScopeKey for Caller {
    fn scope_key(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }
}

#[idempotent(scope = caller)]
async fn pay_as_caller(
    Extension(caller): Extension<Caller>,
    mut tx: Tx<Db>,
    Json(new): Json<NewPayment>,
) -> Paid {
    pay(&mut tx, &caller.0, new).await
}

fn routes(store: SessionStore) -> Router<AppState> {
    Router::new()
        .route("/session", post(pay_by_session))
        .route("/account", post(close_account))
        .route("/caller", post(pay_as_caller))
        .layer(Extension(store))
        .layer(Extension(Caller("acme".to_owned())))
}

#[tokio::test]
async fn the_extractor_of_a_scope_parameter_runs_once_for_each_request() {
    let store = SessionStore::default();
    let (db, app) = start(routes(store.clone())).await;
    for path in ["/session", "/account"] {
        let pay = payment(path).key("k");
        let before = store.0.load(Ordering::SeqCst);
        assert!(has_paid(&pay.send(&app).await));
        assert!(pay.send(&app).await.is_replay());
        assert_eq!(store.0.load(Ordering::SeqCst) - before, 2, "{path}");
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_scope_parameter_separates_owners_and_refuses_nobody() {
    let (db, app) = start(routes(SessionStore::default())).await;
    for path in ["/session", "/account"] {
        let by = |user: &str| {
            let by = idem_tests::http::post(path).header("authorization", user);
            by.json(&NewPayment { amount: 5 }).key("k")
        };
        assert!(has_paid(&by("Bearer a").send(&app).await));
        assert!(has_paid(&by("Bearer b").send(&app).await));
        let refused = by("Bearer nobody").send(&app).await;
        assert_eq!(problem(&refused), (401, "scope-missing".to_owned()));
        let anonymous = idem_tests::http::post(path).key("k").send(&app).await;
        assert_eq!(anonymous.status, 401);
    }
    assert_eq!(db.payments().await, 4);
}

#[tokio::test]
async fn a_scope_parameter_may_be_an_extension() {
    let (db, app) = start(routes(SessionStore::default())).await;
    let pay = payment("/caller").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}
