//! The log of a MariaDB or MySQL in our container.

use super::TestDb;

#[tokio::test]
#[cfg_attr(
    idem_no_server_log,
    ignore = "the log of a server of IDEM_TEST_MYSQL_URL cannot be read"
)]
async fn the_server_log_is_read_up_to_now() {
    let db = TestDb::new().await;
    let first = db.server_log().await;
    assert!(first.contains("ready for connections"), "{first}");
    let second = db.server_log().await;
    assert!(second.len() > first.len(), "nothing was logged meanwhile");
}
