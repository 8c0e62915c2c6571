use axum::http::{Method, StatusCode};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::orders::TWO_CHAIRS;
use super::shop::{ALICE, BOB, Call, Shop, cancel, place};

const ORDERS: &str = "select count(*) from customer_order";

fn error(answer: &(StatusCode, Value)) -> (u16, &str) {
    (answer.0.as_u16(), answer.1["code"].as_str().unwrap())
}

#[tokio::test]
async fn a_retry_gets_the_first_answer_and_takes_nothing() {
    let shop = Shop::open().await;
    let first = place(TWO_CHAIRS).by(&ALICE).key("k").send(&shop).await;
    let retry = place(TWO_CHAIRS).by(&ALICE).key("k").send(&shop).await;
    assert_eq!(first.0, StatusCode::CREATED);
    assert_eq!(retry, first);
    assert_eq!((shop.stock().await, shop.count(ORDERS).await), (98, 1));
    assert_eq!(shop.count("select count(*) from audit").await, 1);
}

#[tokio::test]
async fn a_retried_cancellation_puts_back_once_and_says_so_again() {
    let shop = Shop::open().await;
    place(TWO_CHAIRS).by(&ALICE).send(&shop).await;
    let first = cancel(1).by(&ALICE).key("k").send(&shop).await;
    let retry = cancel(1).by(&ALICE).key("k").send(&shop).await;
    assert_eq!((first.0, &retry), (StatusCode::OK, &first));
    assert_eq!(shop.stock().await, 100);
    let again = cancel(1).by(&ALICE).key("another").send(&shop).await;
    assert_eq!(error(&again), (409, "cancelled"));
}

#[tokio::test]
async fn of_twenty_at_once_one_orders() {
    let shop = Shop::open().await;
    let same = || place(TWO_CHAIRS).by(&ALICE).key("k").send(&shop);
    let answers = join_all((0..20).map(|_| same())).await;
    for answer in &answers {
        if answer.0 != StatusCode::CREATED {
            assert_eq!(error(answer), (409, "in-flight"));
        }
    }
    assert_eq!(same().await.0, StatusCode::CREATED);
    assert_eq!((shop.stock().await, shop.count(ORDERS).await), (98, 1));
}

#[tokio::test]
async fn what_fails_takes_nothing_and_may_be_tried_again_with_its_key() {
    let shop = Shop::open().await;
    let both = r#"{"lines": [{"sku": "chair", "quantity": 1}, {"sku": "table", "quantity": 21}]}"#;
    let place_both = || place(both).by(&ALICE).key("k").send(&shop);
    assert_eq!(error(&place_both().await), (409, "sold_out"));
    assert_eq!(shop.stock().await, 100);
    let delivery = sqlx::query("update item set stock = 21 where sku = 'table'");
    delivery.execute(&shop.pool).await.unwrap();
    assert_eq!(place_both().await.0, StatusCode::CREATED);
    assert_eq!(shop.stock().await, 99);
}

#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_customer() {
    let shop = Shop::open().await;
    place(TWO_CHAIRS).by(&ALICE).key("k").send(&shop).await;
    let three = TWO_CHAIRS.replace('2', "3");
    let other = place(&three).by(&ALICE).key("k").send(&shop).await;
    assert_eq!(error(&other), (422, "key-reused"));
    let (status, order) = place(&three).by(&BOB).key("k").send(&shop).await;
    assert_eq!((status, &order["id"]), (StatusCode::CREATED, &json!(2)));
    assert_eq!(shop.stock().await, 95);
}

#[tokio::test]
async fn a_request_without_a_key_is_told_so_once_it_has_logged_in() {
    let shop = Shop::open().await;
    let post = || Call::new(Method::POST, "/api/v1/orders", TWO_CHAIRS);
    assert_eq!(error(&post().send(&shop).await), (401, "not_authenticated"));
    assert_eq!(
        error(&post().by(&ALICE).send(&shop).await),
        (400, "key-missing")
    );
    assert_eq!(shop.count(ORDERS).await, 0);
}
