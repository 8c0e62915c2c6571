use axum::http::{Method, StatusCode};
use serde_json::json;

use super::shop::{ALICE, BOB, Call, Shop, cancel, place};

const TWO_CHAIRS: &str = r#"{"lines": [{"sku": "chair", "quantity": 2}]}"#;

#[tokio::test]
async fn an_order_takes_from_the_shelf() {
    let shop = Shop::open().await;
    let (status, order) = place(TWO_CHAIRS).by(&ALICE).send(&shop).await;
    assert_eq!(status, StatusCode::CREATED, "{order}");
    assert_eq!(order, json!({"id": 1, "total": 9800, "status": "placed"}));
    assert_eq!(shop.stock().await, 98);
    let show = Call::new(Method::GET, "/api/v1/orders/1", "").by(&ALICE);
    assert_eq!(show.send(&shop).await, (StatusCode::OK, order));
    assert_eq!(shop.count("select count(*) from audit").await, 1);
}

#[tokio::test]
async fn what_is_sold_out_is_not_ordered() {
    let shop = Shop::open().await;
    let both = r#"{"lines": [{"sku": "chair", "quantity": 1}, {"sku": "table", "quantity": 21}]}"#;
    let (status, error) = place(both).by(&ALICE).send(&shop).await;
    assert_eq!(
        (status, &error["code"]),
        (StatusCode::CONFLICT, &json!("sold_out"))
    );
    assert_eq!(shop.stock().await, 100);
}

#[tokio::test]
async fn an_order_is_cancelled_once() {
    let shop = Shop::open().await;
    place(TWO_CHAIRS).by(&ALICE).send(&shop).await;
    let (status, order) = cancel(1).by(&ALICE).send(&shop).await;
    assert_eq!(
        (status, &order["status"]),
        (StatusCode::OK, &json!("cancelled"))
    );
    assert_eq!(shop.stock().await, 100);
}

#[tokio::test]
async fn nobody_sees_or_cancels_the_order_of_another_customer() {
    let shop = Shop::open().await;
    place(TWO_CHAIRS).by(&ALICE).send(&shop).await;
    let show = Call::new(Method::GET, "/api/v1/orders/1", "").by(&BOB);
    assert_eq!(show.send(&shop).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        cancel(1).by(&BOB).send(&shop).await.0,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_request_without_a_token_or_with_a_wrong_body_is_refused() {
    let shop = Shop::open().await;
    let (status, error) = place(TWO_CHAIRS).send(&shop).await;
    assert_eq!(
        (status, &error["code"]),
        (StatusCode::UNAUTHORIZED, &json!("not_authenticated"))
    );
    let (status, error) = place("{").by(&ALICE).send(&shop).await;
    assert_eq!(
        (status, &error["code"]),
        (StatusCode::BAD_REQUEST, &json!("malformed"))
    );
    let (status, error) = place(r#"{"lines": []}"#).by(&ALICE).send(&shop).await;
    assert_eq!(
        (status, &error["code"]),
        (StatusCode::UNPROCESSABLE_ENTITY, &json!("invalid"))
    );
}
