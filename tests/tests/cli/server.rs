//! What only servers have: accounts, and attempts of other processes.

use super::service::{Service, operate_at};
use super::{forget_reader, url_of_reader};

const PAY: &str = "POST /payments";
const BY: [&str; 3] = ["--yes", "--by", "jane"];

#[tokio::test]
async fn a_key_in_use_cannot_be_invalidated() {
    let service = Service::start().await;
    service.store("acme", PAY, "k", b"").await;
    super::age_records(service.idem.pool()).await;
    let running = service.begin("acme", PAY, "k").await;
    let named = ["--scope", "acme", "--operation", PAY, "--key", "k"];
    let invalidate = [&["records", "invalidate"][..], &named, &BY].concat();
    let said = service.operate(&invalidate).await;
    assert!(said.audit().contains("InFlight"), "{said:?}");
    let refused = said.refused(3);
    assert!(refused.ends_with("an attempt with its key runs: ask again when it has ended\n"));
    drop(running);
}

#[tokio::test]
async fn an_account_that_may_only_read_lists_and_is_told_what_it_lacks() {
    let service = Service::start().await;
    service.store("acme", PAY, "k", b"").await;
    let url = url_of_reader(&service.db).await;
    let listed = operate_at(&url, &["records", "list"]).await.done();
    assert!(listed.contains(PAY), "{listed}");
    let checked = operate_at(&url, &["check"]).await;
    assert_eq!(checked.code, 3, "{checked:?}");
    assert!(checked.out.contains("grant delete on"), "{checked:?}");
    assert!(!checked.out.contains("grant select"), "{checked:?}");
    let erase = [&["records", "erase", "--scope", "acme"][..], &BY].concat();
    let refused = operate_at(&url, &erase).await.refused(1);
    assert!(refused.contains("grant delete on"), "{refused}");
    assert!(!service.would_run("acme", PAY, "k").await);
    forget_reader(&service.db).await;
}
