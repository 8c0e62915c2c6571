//! Connections are paused, refused and cut.

use idem_tests::a_moment;
use sqlx::Connection as _;

use super::paying::{Connection, connect, pay, pay_on, proxied};

#[tokio::test]
async fn a_paused_proxy_forwards_nothing_until_resumed() {
    let (db, proxy) = proxied().await;
    let connection = connect(&proxy).await;
    proxy.forget();
    proxy.pause();
    let paying = tokio::spawn(pay_on(connection));
    while proxy.traffic().messages == 0 {
        a_moment().await;
    }
    assert_eq!(db.payments().await, 0);
    proxy.resume();
    paying.await.unwrap().unwrap();
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_proxy_that_is_down_refuses_connections() {
    let (_db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    proxy.go_down();
    pay(&mut connection).await.unwrap_err();
    Connection::connect(proxy.url()).await.unwrap_err();
    proxy.come_up();
    pay(&mut connect(&proxy).await).await.unwrap();
}

#[tokio::test]
async fn a_cut_spares_later_connections() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    proxy.cut();
    pay(&mut connection).await.unwrap_err();
    pay(&mut connect(&proxy).await).await.unwrap();
    assert_eq!(db.payments().await, 1);
}
