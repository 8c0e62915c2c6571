//! What `payments pay` makes of answers that other servers give, and of an output that is closed.

use std::net::SocketAddr;
use std::process::Stdio;

use serde_json::Value;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::app::App;
use super::pay::{ended, pay, pay_by};

/// A server that gives each request this answer.
async fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            // The body is an object, and the headers have none.
            while !request.ends_with(b"}") {
                client.read_buf(&mut request).await.unwrap();
            }
            client.write_all(answer.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn only_what_says_that_nothing_was_done_is_a_refusal() {
    let folder = tempdir().unwrap();
    for (answer, code, is_kept) in [
        (
            "HTTP/1.1 500 Internal Server Error\r\nidempotent-replayed: true\r\nconnection: close\r\n\r\n",
            4,
            true,
        ),
        (
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: /\r\nconnection: close\r\n\r\n",
            4,
            true,
        ),
        (
            "HTTP/1.1 409 Conflict\r\nconnection: close\r\n\r\n",
            4,
            true,
        ),
        (
            "HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n",
            3,
            false,
        ),
        (
            "HTTP/1.1 422 Unprocessable Content\r\nconnection: close\r\n\r\n",
            3,
            false,
        ),
    ] {
        let address = answering(answer).await;
        let file = folder.path().join("key");
        let output = pay_by(&file, "100", address).output().await.unwrap();
        let (ended, _, errors) = ended(&output);
        assert_eq!((ended, file.exists()), (Some(code), is_kept), "{errors}");
        let says_so = errors.contains("no payment was made");
        assert_eq!(says_so, code == 3, "{errors}");
        drop(std::fs::remove_file(&file));
    }
    // A key of an earlier run leaves open what that one did.
    let address = answering("HTTP/1.1 401 Unauthorized\r\nconnection: close\r\n\r\n").await;
    let options = ["--amount", "100", "--key", "8e03978e-40d5"];
    let (code, _, errors) = ended(&pay(address, &options).output().await.unwrap());
    assert_eq!(code, Some(4), "{errors}");
    assert!(errors.contains("its key is 8e03978e-40d5"), "{errors}");
}

#[tokio::test]
async fn a_payment_that_cannot_be_shown_keeps_its_key_and_is_shown_by_the_next_run() {
    let (app, folder) = (App::start().await, tempdir().unwrap());
    let file = folder.path().join("key");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut unread = pay_by(&file, "1250", app.address());
    let child = unread.stdout(writer).stderr(Stdio::piped()).spawn();
    let (code, _, errors) = ended(&child.unwrap().wait_with_output().await.unwrap());
    assert_eq!((code, file.exists()), (Some(4), true), "{errors}");
    assert!(
        errors.contains("the payment was made, and cannot be shown"),
        "{errors}"
    );
    let output = pay_by(&file, "1250", app.address()).output().await.unwrap();
    let (code, paid, errors) = ended(&output);
    assert_eq!((code, file.exists()), (Some(0), false), "{errors}");
    let paid: Value = serde_json::from_str(&paid).unwrap();
    assert_eq!(app.payments("").await, [paid]);
}

#[tokio::test]
async fn a_servers_text_does_nothing_to_a_terminal() {
    let answer = "HTTP/1.1 402 Payment Required\r\nconnection: close\r\n\r\n\u{1b}[2Jgone \u{202e}";
    let address = answering(answer).await;
    let output = pay(address, &["--amount", "100"]).output().await.unwrap();
    let (code, _, errors) = ended(&output);
    assert_eq!(code, Some(3), "{errors}");
    assert!(errors.contains("\\u{1b}[2Jgone \\u{202e}"), "{errors}");
    assert!(!errors.contains(['\u{1b}', '\u{202e}']), "{errors:?}");
}
