//! Every other endpoint of the example, on every database: the app is killed, and each key takes effect once.

use std::net::SocketAddr;

use axum::http::Method;
use idem_tests::http::{Attempt, post, request};
use idem_tests::process::{Process, payments};
use idem_tests::webhook;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::settle;
use super::{FEATURE, TestDb};

#[tokio::test]
async fn each_key_takes_effect_once_when_the_app_is_killed_after_any_number_of_responses() {
    let db = TestDb::empty().await;
    for round in 0..8 {
        let mut victim = start(&db).await;
        let requests = requests(round, victim.address()).await;
        let mut sent = JoinSet::new();
        for attempt in requests.clone() {
            let address = victim.address();
            sent.spawn(async move { attempt.send_to(address).await.is_ok() });
        }
        for _ in 0..round * 3 {
            sent.join_next().await;
        }
        victim.kill().await;
        let next = start(&db).await;
        for attempt in &requests {
            let answer = settle(attempt, next.address()).await;
            assert!(answer.status.is_success(), "{answer:?}");
        }
    }
    let pool = db.direct().await;
    for (what, query, expected) in COUNTS {
        let count = sqlx::query_scalar::<_, i64>(query).fetch_one(&pool).await;
        assert_eq!(count.unwrap(), expected, "{what}");
    }
}

/// Four requests to each endpoint, whose keys and effects bear the round's number.
async fn requests(round: usize, address: SocketAddr) -> Vec<Attempt> {
    if round == 0 {
        let stock = request(Method::PUT, "/inventory/mug").json(&json!({"available": 1_000}));
        let stock = acme(stock).send_to(address).await.unwrap();
        assert_eq!(stock.status, 200, "{stock:?}");
    }
    let mut requests = Vec::new();
    for number in 0..4 {
        let name = format!("r{round}-{number}");
        let line = json!({"sku": name, "quantity": 1, "unit_price": 5});
        let order = json!({"currency": "EUR", "total": 5, "lines": [line]});
        let begin = json!({"customer": name, "plan": "basic"});
        let made = async |path: &str, body: &Value| {
            let made = acme(post(path)).json(body).key(&format!("{name}-made"));
            let made = settle(&made, address).await;
            made.header("location").unwrap().to_owned()
        };
        let subscription = made("/subscriptions", &begin).await;
        let pay = json!({"amount": 5, "currency": "EUR"});
        let payment = made("/payments", &pay).await;
        let payment: i64 = payment.rsplit('/').next().unwrap().parse().unwrap();
        let event =
            json!({"id": name, "type": "payment.settled", "payment": payment, "sequence": 1});
        let reservation = made("/inventory/mug/reservations", &json!({"quantity": 1})).await;
        let change = request(Method::PATCH, subscription).json(&json!({"plan": "team"}));
        let keyed = [
            post("/orders").json(&order),
            post("/subscriptions").json(&begin),
            change,
            post("/notifications").json(&json!({"recipient": name, "text": "hello"})),
            post("/inventory/mug/reservations").json(&json!({"quantity": 2})),
            request(Method::DELETE, reservation),
        ];
        requests.extend(keyed.map(|attempt| acme(attempt).key(&name)));
        requests.push(webhook::signed(SECRET, &event));
    }
    requests
}

/// Of 8 rounds of 4 requests each.
const COUNTS: [(&str, &str, i64); 9] = [
    ("orders", "select count(*) from customer_order", 32),
    (
        "orders placed twice",
        "select count(*) from (select sku from order_line group by sku having count(*) > 1) as twice",
        0,
    ),
    // One for the change of plan.
    ("subscriptions", "select count(*) from subscription", 64),
    ("prorations", "select count(*) from proration", 32),
    (
        "plans charged twice",
        "select count(*) from (select subscription_id from proration group by subscription_id having count(*) > 1) as twice",
        0,
    ),
    ("notifications", "select count(*) from notification", 32),
    // Those that were to be released are.
    ("reservations", "select count(*) from reservation", 32),
    ("events", "select count(*) from network_event", 32),
    ("stock", "select available from stock", 1_000 - 32 * 2),
];

async fn start(db: &TestDb) -> Process {
    let mut command = payments(FEATURE);
    command.args(["--listen", "127.0.0.1:0", "--database-url", &db.url()]);
    command.args(["--pool-size", "5", "--webhook-secret", SECRET]);
    Process::start(command).await
}

const SECRET: &str = "whsec-test";

fn acme(attempt: Attempt) -> Attempt {
    attempt.header("authorization", "Bearer acme-demo-key")
}
