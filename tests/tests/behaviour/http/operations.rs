//! The operation of a request, wherever its handler is mounted.

use axum::Router;
use axum::body::Bytes;
use axum::http::Method;
use axum::routing::post;
use idem_axum::engine::RecordFilter;
use idem_axum::{Tx, idempotent};

use super::support::app::{
    AppState, FIVE, Paid, Tenant, app, engine, has_paid, pay, payment, problem, start,
};
use super::{Db, TestDb};

#[idempotent(scope = "tenant")]
async fn unnamed(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[idempotent(scope = "tenant", operation = "orders.pay")]
async fn named(Tenant(tenant): Tenant, mut tx: Tx<Db>, _: Bytes) -> Paid {
    pay(&mut tx, &tenant, FIVE).await
}

#[tokio::test]
async fn a_named_operation_is_the_same_wherever_it_is_mounted() {
    let pay_order = Router::new().route("/orders/{id}/pay", post(named));
    let old = Router::new().route("/old/{order}", post(named));
    let routes = old.nest("/v1", pay_order.clone()).nest("/v2", pay_order);
    let (db, app) = start(routes).await;
    let pay = payment("/v1/orders/7/pay").key("k");
    assert!(has_paid(&pay.send(&app).await));
    for same in ["/v1/orders/7/pay", "/v2/orders/7/pay", "/old/7"] {
        let retry = pay.clone().path(same).send(&app).await;
        assert!(retry.is_replay(), "{same} {retry:?}");
    }
    for other in ["/v1/orders/8/pay", "/v2/orders/8/pay", "/v2/orders/7/pay?x"] {
        let refused = pay.clone().path(other).send(&app).await;
        let expected = (422, "key-reused".to_owned());
        assert_eq!(problem(&refused), expected, "{other}");
    }
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn path_parameters_of_a_named_operation_are_compared_one_by_one() {
    let routes = Router::new().route("/{a}/{b}", post(named));
    let (db, app) = start(routes).await;
    let pay = payment("/1/23").key("k");
    assert!(has_paid(&pay.send(&app).await));
    let other = pay.path("/12/3").send(&app).await;
    assert_eq!(other.status, 422, "{other:?}");
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn an_unnamed_operation_mounted_twice_is_two_operations() {
    let pay_order = Router::new().route("/orders/{id}/pay", post(unnamed).put(unnamed));
    let routes = Router::new().nest("/v1", pay_order.clone());
    let (db, app) = start(routes.nest("/v2", pay_order)).await;
    let pay = payment("/v1/orders/7/pay").key("k");
    let other = pay.clone().path("/v2/orders/7/pay");
    let put = pay.clone().method(Method::PUT);
    for attempt in [pay, other, put] {
        assert!(has_paid(&attempt.send(&app).await), "{attempt:?}");
        assert!(attempt.send(&app).await.is_replay(), "{attempt:?}");
    }
    assert_eq!(db.payments().await, 3);
}

#[tokio::test]
async fn the_path_prefix_that_nesting_strips_is_compared() {
    let routes = Router::new().route("/pay", post(unnamed));
    let (db, app) = start(Router::new().nest("/shops/{shop}", routes)).await;
    let pay = payment("/shops/1/pay").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    let other = pay.path("/shops/2/pay").send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn renaming_a_route_parameter_keeps_the_operation() {
    let old = Router::new().route("/orders/{id}/pay", post(unnamed));
    let new = Router::new().route("/orders/{order}/pay", post(unnamed));
    let db = TestDb::new().await;
    let state = AppState::new(engine(&db).await);
    let pay = payment("/orders/7/pay").key("k");
    let first = pay.send(&old.with_state(state.clone())).await;
    assert!(has_paid(&first));
    let retry = pay.send(&new.with_state(state)).await;
    assert!(retry.is_replay(), "{retry:?}");
}

#[tokio::test]
async fn a_fallback_without_an_operation_name_is_refused() {
    let (db, app) = start(Router::new().fallback(unnamed)).await;
    let refused = payment("/chosen/by/the/caller").key("k").send(&app).await;
    assert_eq!(problem(&refused), (500, "misconfigured".to_owned()));
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn the_paths_of_a_named_fallback_are_compared() {
    let (db, app) = start(Router::new().fallback(named)).await;
    let pay = payment("/orders/7").key("k");
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    let other = pay.path("/orders/8").send(&app).await;
    assert_eq!(problem(&other), (422, "key-reused".to_owned()));
    assert_eq!(db.payments().await, 1);
}

/// An operation is a label of metrics, so clients must not be able to invent operations.
#[tokio::test]
async fn unknown_methods_of_a_route_share_one_operation() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    for method in ["BREW", "PURGE"] {
        let made_up = |key| {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            payment("/payments").method(method).key(key)
        };
        assert!(has_paid(&made_up(method).send(&app).await));
        assert!(made_up(method).send(&app).await.is_replay());
    }
    let pay = payment("/payments").method(Method::PATCH).key("BREW");
    assert!(has_paid(&pay.send(&app).await));
    let records = idem.records(&RecordFilter::default(), None, 10).await;
    let records = records.unwrap();
    let mut operations: Vec<_> = records
        .iter()
        .map(|record| record.name.operation.as_str())
        .collect();
    operations.sort_unstable();
    let expected = ["OTHER /payments", "OTHER /payments", "PATCH /payments"];
    assert_eq!(operations, expected);
    // They share their keys, and are told apart by what is compared.
    let other = Method::from_bytes(b"PURGE").unwrap();
    let reused = payment("/payments").method(other).key("BREW");
    let expected = (422, "key-reused".to_owned());
    assert_eq!(problem(&reused.send(&app).await), expected);
}
