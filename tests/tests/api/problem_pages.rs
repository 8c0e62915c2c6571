//! The pages that problem types link to.

use idem_axum::Rejection;
use idem_tests::http::get;
use idem_tests::process::{Process, payments};
use serde_json::{Value, json};

use super::app::payment;
use super::{FEATURE, TestDb};

#[tokio::test]
async fn each_problem_type_links_to_its_page() {
    let db = TestDb::empty().await;
    let mut command = payments(FEATURE);
    command.args(["--listen", "127.0.0.1:0", "--database-url", &db.url()]);
    command.env("PAYMENTS_PROBLEM_BASE", "/problems/");
    let app = Process::start(command).await;
    let refused = payment(&json!({})).send_to(app.address()).await.unwrap();
    let kind = refused.json::<Value>()["type"].as_str().unwrap().to_owned();
    assert_eq!(kind, "/problems/key-missing");
    let links: Vec<_> = refused.headers.get_all("link").iter().collect();
    let page = format!("<{kind}>; rel=\"describedby\"");
    assert_eq!(links, [&*page, "</idempotency>; rel=\"service-doc\""]);
    for rejection in Rejection::ALL {
        let name = rejection.name();
        let page = get(format!("/problems/{name}"))
            .send_to(app.address())
            .await;
        let page = page.unwrap();
        assert_eq!(page.status, 200, "{name}");
        let text = String::from_utf8(page.body.to_vec()).unwrap();
        let status = format!("Status {}.", rejection.status().as_u16());
        assert!(
            text.contains(&format!("<h1>{name}</h1>")) && text.contains(&status),
            "{text}"
        );
    }
    let none = get("/problems/none").send_to(app.address()).await.unwrap();
    assert_eq!(none.status, 404);
}
