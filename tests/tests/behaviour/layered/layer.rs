//! What a layer does that an attribute does not.

use std::collections::HashSet;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::routing::post;
use axum::{Extension, Json, Router};
use idem_axum::RolloutMode::{Enforce, Observe, Off, Validate};
use idem_axum::{
    DownstreamKeys, Idempotency, IdempotencyLayer, InvalidScope, LateRetries, LayerTx, Policy,
    Scope, Tx, WhileRunning, idempotent,
};
use idem_tests::http;

use super::support::app::{
    AppState, FIVE, NewPayment, Paid, Tenant, engine, engine_in, has_paid, pay, payment, problem,
};
use super::{Db, INSERT_PAYMENT, TestDb};

async fn create(mut tx: LayerTx<Db>, Json(new): Json<NewPayment>) -> Paid {
    pay(&mut tx.tx(), "acme", new).await
}

/// Writes through the pool.
async fn create_outside(State(state): State<AppState>, _: Bytes) -> StatusCode {
    let insert = sqlx::query(INSERT_PAYMENT).persistent(super::IS_NAMED);
    let insert = insert.bind("acme").bind(5_i64).bind("-");
    insert.fetch_one(state.idem.pool()).await.unwrap();
    StatusCode::CREATED
}

#[idempotent(scope = "tenant")]
async fn by_attribute(mut tx: Tx<Db>) -> Paid {
    pay(&mut tx, "acme", FIVE).await
}

/// What an authentication layer has put into the request.
fn caller(head: &Parts) -> Result<Scope, InvalidScope> {
    let caller = head.extensions.get::<Caller>().ok_or(InvalidScope)?;
    Scope::new(caller.0)
}

#[derive(Clone)]
struct Caller(&'static str);

async fn start(
    routes: impl FnOnce(&AppState) -> Router<AppState>,
) -> (TestDb, Idempotency<Db>, Router) {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let app = routes(&state).with_state(state.clone());
    (db, state.idem, app)
}

#[tokio::test]
async fn methods_that_only_read_pass_a_layer() {
    let (db, _, app) = start(|state| {
        let layer = IdempotencyLayer::scoped::<Tenant, _>(state).with_tx();
        let routes = Router::new().route("/payments", post(create).get(async || "list"));
        routes.layer(layer)
    })
    .await;
    let list = http::get("/payments").send(&app).await;
    assert_eq!((list.status.as_u16(), &*list.body), (200, &b"list"[..]));
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_scope_by_a_function_separates_owners_and_refuses_nobody() {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let app = |caller: Option<Caller>| {
        let layer = IdempotencyLayer::scoped_by(&state, self::caller).with_tx();
        let routes = Router::new().route("/payments", post(create).layer(layer));
        match caller {
            Some(caller) => routes.layer(Extension(caller)),
            None => routes,
        }
        .with_state(state.clone())
    };
    let pay = payment("/payments").key("k");
    for name in ["a", "b"] {
        let app = app(Some(Caller(name)));
        assert!(has_paid(&pay.send(&app).await));
        assert!(pay.send(&app).await.is_replay());
    }
    for nobody in [None, Some(Caller(""))] {
        let refused = pay.send(&app(nobody)).await;
        assert_eq!(problem(&refused), (401, "scope-missing".to_owned()));
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_handler_behind_a_layer_without_a_transaction_is_protected_against_duplicates() {
    let (db, _, app) = start(|state| {
        let layer = IdempotencyLayer::scoped::<Tenant, _>(state);
        Router::new().route("/payments", post(create_outside).layer(layer))
    })
    .await;
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    let other = pay.body(r#"{"amount":6}"#).send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_layer_around_an_attribute_or_a_layer_refuses_each_request() {
    let (db, idem, app) = start(|state| {
        let layer = || IdempotencyLayer::scoped::<Tenant, _>(state).with_tx();
        Router::new()
            .route("/attribute", post(by_attribute).layer(layer()))
            .route("/layer", post(create).layer(layer()).layer(layer()))
    })
    .await;
    for mode in [Enforce, Validate, Observe, Off] {
        idem.rollout().set("*", mode);
        for path in ["/attribute", "/layer"] {
            let refused = payment(path).key("k").send(&app).await;
            assert_eq!(
                problem(&refused),
                (500, "misconfigured".to_owned()),
                "{mode}"
            );
        }
    }
    assert_eq!(db.payments().await, 0);
    // The refusal is not stored: the route works once one of them is removed.
    let filter = idem_axum::RecordFilter::default();
    assert_eq!(idem.records(&filter, None, 10).await.unwrap().len(), 0);
}

#[tokio::test]
async fn a_layer_that_observes_runs_duplicates_and_one_that_validates_refuses_another_request() {
    let (db, idem, app) = start(|state| {
        let layer = IdempotencyLayer::scoped::<Tenant, _>(state).with_tx();
        Router::new().route("/payments", post(create).layer(layer))
    })
    .await;
    let pay = payment("/payments").key("k");
    for (mode, paid) in [(Observe, 2), (Validate, 3)] {
        idem.rollout().set("*", mode);
        assert!(has_paid(&pay.send(&app).await), "{mode}");
        if mode == Observe {
            assert!(has_paid(&pay.send(&app).await), "{mode}");
        }
        assert_eq!(db.payments().await, paid, "{mode}");
    }
    let other = pay.clone().body(r#"{"amount":6}"#).send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    let refused = payment("/payments").send(&app).await;
    assert_eq!(problem(&refused), (400, "key-missing".to_owned()));
    // What was observed is replayed once it is enforced.
    idem.rollout().set("*", Enforce);
    assert!(pay.send(&app).await.is_replay());
}

#[tokio::test]
async fn a_layer_on_the_methods_of_a_route_leaves_404_and_405_to_the_router() {
    let (_db, _, app) = start(|state| {
        let layer = IdempotencyLayer::scoped::<Tenant, _>(state).with_tx();
        Router::new().route("/payments", post(create).route_layer(layer))
    })
    .await;
    let put = payment("/payments").method(Method::PUT);
    assert_eq!(put.send(&app).await.status, 405);
    assert_eq!(payment("/unknown").send(&app).await.status, 404);
    assert!(has_paid(&payment("/payments").key("k").send(&app).await));
}

#[tokio::test]
async fn each_option_of_a_layer_changes_what_it_says() {
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let layer = || IdempotencyLayer::global(&state);
    let second = Duration::from_secs(1);
    let changed = [
        layer().ttl(second),
        layer().operation("pay"),
        layer().key_optional(),
        layer().fingerprint_json(),
        layer().fingerprint_with("none", |_| [0; 32]),
        layer().fingerprint_headers(&["x-currency"]),
        layer().max_body(1),
        layer().max_response(1),
        layer().store(&[402]),
        layer().while_running(WhileRunning::Reject),
        layer().while_running(WhileRunning::Wait(second)),
        layer().late_retries(LateRetries::Refuse(second)),
        layer().late_retries(LateRetries::Run),
        layer().timeout(second),
        layer().serializable(),
        layer().expects_retries(),
    ];
    let mut texts: Vec<_> = changed.iter().map(|layer| format!("{layer:?}")).collect();
    texts.push(format!("{:?}", layer()));
    let different: HashSet<_> = texts.iter().collect();
    assert_eq!(different.len(), texts.len(), "{texts:#?}");
    // What is out of bounds is held within them; a list with a status that is never stored is ignored.
    let unchanged = format!("{:?}", layer());
    assert_eq!(format!("{:?}", layer().store(&[402, 503])), unchanged);
    let long = layer().ttl(Duration::MAX).timeout(Duration::ZERO);
    let bounded = layer().ttl(Policy::MAX_TTL).timeout(Policy::MIN_TIMEOUT);
    assert_eq!(format!("{long:?}"), format!("{bounded:?}"));
}

#[tokio::test]
async fn the_options_of_a_layer_hold_for_its_requests() {
    let (db, _, app) = start(|state| {
        let layer = || IdempotencyLayer::scoped::<Tenant, _>(state).with_tx();
        let with = |layer| post(create).route_layer(layer);
        Router::new()
            .route("/json", with(layer().fingerprint_json()))
            .route("/short", with(layer().max_body(5)))
            .route("/brief", with(layer().max_response(1)))
            .route(
                "/headers",
                with(layer().fingerprint_headers(&["x-currency"])),
            )
            .route("/named", with(layer().operation("")))
    })
    .await;
    let json = payment("/json").key("k");
    assert!(has_paid(&json.send(&app).await));
    assert!(json.body(r#"{ "amount": 5 }"#).send(&app).await.is_replay());
    let headers = payment("/headers").key("k");
    assert!(has_paid(&headers.send(&app).await));
    let refusals = [
        (headers.header("x-currency", "EUR"), (422, "key-reused")),
        (payment("/short").key("k"), (413, "body-too-large")),
        (payment("/brief").key("k"), (500, "response-not-storable")),
        (payment("/named").key("k"), (500, "misconfigured")),
    ];
    for (attempt, (status, name)) in refusals {
        let refused = attempt.send(&app).await;
        assert_eq!(problem(&refused), (status, name.to_owned()));
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_layer_in_the_mode_off_is_transparent() {
    let db = TestDb::new().await;
    let state = AppState::new(engine_in(&db, "off").await);
    let layer = || IdempotencyLayer::scoped::<Tenant, _>(&state).with_tx();
    let app = Router::new()
        .route("/payments", post(create).layer(layer()))
        .with_state(state.clone());
    for _ in 0..2 {
        assert!(has_paid(&payment("/payments").key("k").send(&app).await));
    }
    assert!(has_paid(&payment("/payments").send(&app).await));
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn a_service_below_a_layer_shares_its_named_operation() {
    let (db, _, app) = start(|state| {
        let inner = Router::new().route("/payments/{id}", post(create));
        let layer = IdempotencyLayer::scoped::<Tenant, _>(state).with_tx();
        let service = Router::new().fallback_service(inner);
        let layer = layer.operation("foreign.pay");
        Router::new().fallback_service(service.layer(layer))
    })
    .await;
    let pay = payment("/payments/7").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    let other = payment("/payments/8").key("k").send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_handler_behind_a_layer_gets_the_keys_for_other_services() {
    async fn charge(Extension(keys): Extension<DownstreamKeys>) -> String {
        keys.key("charge")
    }
    async fn charge_with_tx(
        mut tx: LayerTx<Db>,
        Extension(keys): Extension<DownstreamKeys>,
    ) -> Result<String, StatusCode> {
        assert_eq!(tx.tx().downstream_key("charge"), keys.key("charge"));
        Err(StatusCode::BAD_GATEWAY)
    }
    let (_db, _, app) = start(|state| {
        let layer = || IdempotencyLayer::scoped::<Tenant, _>(state).operation("charge");
        Router::new()
            .route("/charge", post(charge).layer(layer()))
            .route(
                "/charge-with-tx",
                post(charge_with_tx).layer(layer().with_tx()),
            )
    })
    .await;
    let failed = payment("/charge-with-tx").key("k").send(&app).await;
    assert_eq!(failed.status, 502);
    let first = payment("/charge").key("k").send(&app).await;
    let again = payment("/charge").key("k").send(&app).await;
    assert_eq!((first.body.len(), again.is_replay()), (36, true));
}
