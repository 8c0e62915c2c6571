//! Stock never goes below zero, and each reservation is released once.

use axum::http::Method;
use idem_tests::http::{Attempt, post, request};
use serde_json::{Value, json};

use super::app::{App, acme, globex, is_problem};
use super::race::{at_once, one_of_duplicates_takes_effect};

#[tokio::test]
async fn a_reservation_is_made_once() {
    let app = App::start().await;
    fill(&app, 10).await;
    one_of_duplicates_takes_effect(&app, reserve(3), 201).await;
    let retry = app.send(&reserve(3).key("same")).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(retry.json::<Value>()["available"], 7);
    assert_eq!(available(&app).await, 7);
}

#[tokio::test]
async fn of_64_reservations_at_once_as_many_succeed_as_there_is_stock() {
    let app = App::start().await;
    fill(&app, 40).await;
    let reservations = (0..64).map(|key| reserve(1).key(&format!("k{key}")));
    let answers = at_once(&app, reservations).await;
    let made = answers.iter().filter(|answer| answer.status == 201);
    assert_eq!(made.count(), 40, "{answers:?}");
    for refused in answers.iter().filter(|answer| answer.status != 201) {
        assert!(is_problem(refused, 409), "{refused:?}");
        assert_eq!(refused.json::<Value>()["title"], "Out of stock");
    }
    assert_eq!(available(&app).await, 0);
}

#[tokio::test]
async fn a_reservation_is_released_once() {
    let app = App::start().await;
    fill(&app, 10).await;
    let made = app.send(&reserve(4).key("k")).await;
    let release = acme(request(Method::DELETE, made.header("location").unwrap()));
    one_of_duplicates_takes_effect(&app, release.clone(), 200).await;
    let retry = app.send(&release.clone().key("same")).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(retry.json::<Value>(), json!({"available": 10}));
    let again = app.send(&release.key("another")).await;
    assert!(is_problem(&again, 404), "{again:?}");
    assert_eq!(available(&app).await, 10);
}

#[tokio::test]
async fn releases_of_one_reservation_with_different_keys_give_back_once() {
    let app = App::start().await;
    fill(&app, 10).await;
    let made = app.send(&reserve(4).key("k")).await;
    let path = made.header("location").unwrap();
    let releases = (0..8).map(|key| {
        let release = acme(request(Method::DELETE, path));
        release.key(&format!("r{key}"))
    });
    let answers = at_once(&app, releases).await;
    let released = answers.iter().filter(|answer| answer.status == 200);
    assert_eq!(released.count(), 1, "{answers:?}");
    assert_eq!(available(&app).await, 10);
}

#[tokio::test]
async fn what_is_not_there_cannot_be_reserved_or_released() {
    let app = App::start().await;
    let unknown = app.send(&reserve(1).key("a")).await;
    assert!(is_problem(&unknown, 404), "{unknown:?}");
    fill(&app, 10).await;
    let too_many = app.send(&reserve(11).key("b")).await;
    assert!(is_problem(&too_many, 409), "{too_many:?}");
    let none = app.send(&reserve(0).key("c")).await;
    assert!(is_problem(&none, 400), "{none:?}");
    let detail = "quantity: 1 to 99999999";
    assert_eq!(none.json::<Value>()["detail"], detail);
    let made = app.send(&reserve(1).key("d")).await;
    let path = made.header("location").unwrap();
    let theirs = globex(request(Method::DELETE, path)).key("e");
    let theirs = app.send(&theirs).await;
    assert!(is_problem(&theirs, 404), "{theirs:?}");
    let elsewhere = acme(request(Method::DELETE, path.replace("/mug/", "/cup/")));
    let elsewhere = app.send(&elsewhere.key("f")).await;
    assert!(is_problem(&elsewhere, 404), "{elsewhere:?}");
    assert_eq!(available(&app).await, 9);
}

async fn fill(app: &App, available: i64) {
    let put = acme(request(Method::PUT, "/inventory/mug"));
    let put = put.json(&json!({ "available": available }));
    // As often as one likes.
    for _ in 0..2 {
        let filled = app.send(&put).await;
        assert_eq!(filled.status, 200, "{filled:?}");
    }
}

async fn available(app: &App) -> i64 {
    let stock: Value = app.get("/inventory/mug").await.json();
    stock["available"].as_i64().unwrap()
}

fn reserve(quantity: i64) -> Attempt {
    let reserve = acme(post("/inventory/mug/reservations"));
    reserve.json(&json!({ "quantity": quantity }))
}
