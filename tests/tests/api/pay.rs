//! `payments pay`: paid once, refused, not known; killed and started again.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Output, Stdio};

use idem_tests::process::payments;
use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;

use super::FEATURE;
use super::app::App;

pub fn pay(address: SocketAddr, options: &[&str]) -> Command {
    pay_as("acme-demo-key", address, options)
}

fn pay_as(api_key: &str, address: SocketAddr, options: &[&str]) -> Command {
    let mut command = payments(FEATURE);
    command
        .arg("pay")
        .args(["--url", &format!("http://{address}")]);
    command.args(["--api-key", api_key, "--currency", "EUR"]);
    command.args(options).env_remove("RUST_LOG");
    command
}

pub fn pay_by(file: &Path, amount: &str, address: SocketAddr) -> Command {
    let mut command = pay(address, &["--amount", amount, "--reference", "order-1"]);
    command.arg("--key-file").arg(file);
    command
}

pub fn ended(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[tokio::test]
async fn the_command_pays_prints_the_payment_and_forgets_the_key() {
    let (app, folder) = (App::start().await, tempdir().unwrap());
    let file = folder.path().join("key");
    let output = pay_by(&file, "1250", app.address()).output().await.unwrap();
    let (code, paid, errors) = ended(&output);
    assert_eq!(code, Some(0), "{errors}");
    let paid: Value = serde_json::from_str(&paid).unwrap();
    assert_eq!(paid["amount"], 1250);
    assert_eq!(app.payments("").await, [paid]);
    assert!(!file.exists());
}

#[tokio::test]
async fn a_command_that_is_killed_after_its_payment_pays_once_when_it_runs_again() {
    let (app, folder) = (App::start().await, tempdir().unwrap());
    let file = folder.path().join("key");
    let network = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = network.local_addr().unwrap();

    let mut first = pay_by(&file, "1250", address)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let (mut client, _) = network.accept().await.unwrap();
    let mut server = TcpStream::connect(app.address()).await.unwrap();
    let (mut from_client, _) = client.split();
    let (mut from_server, mut to_server) = server.split();
    // The answer begins, so the payment has committed.
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => panic!("the client gave up"),
        first = from_server.read_u8() => assert_eq!(first.unwrap(), b'H'),
    }
    first.kill().await.unwrap();
    let key = std::fs::read(&file).unwrap();
    assert_eq!(app.payments("").await.len(), 1);

    // Something else in its place is refused, and the key stays.
    let other = pay_by(&file, "1251", address).output().await.unwrap();
    let (code, _, errors) = ended(&other);
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("the key of another request"), "{errors}");
    assert_eq!(std::fs::read(&file).unwrap(), key);

    let forward = tokio::spawn(async move {
        let (mut client, _) = network.accept().await.unwrap();
        let mut server = TcpStream::connect(app.address()).await.unwrap();
        // It ends with the client.
        drop(copy_bidirectional(&mut client, &mut server).await);
        app
    });
    let second = pay_by(&file, "1250", address).output().await.unwrap();
    let (code, paid, errors) = ended(&second);
    assert_eq!(code, Some(0), "{errors}");
    let paid: Value = serde_json::from_str(&paid).unwrap();
    let app = forward.await.unwrap();
    assert_eq!(app.payments("").await, [paid]);
    assert!(!file.exists());
}

#[tokio::test]
async fn a_refused_payment_has_its_own_exit_code_and_its_reason() {
    let app = App::start().await;
    for (source, amount, reason) in [
        ("tok_declined", "100", "The card was declined"),
        ("tok_visa", "0", "amount: 1 to 99999999"),
    ] {
        let command = pay(app.address(), &["--amount", amount, "--source", source]).output();
        let (code, _, errors) = ended(&command.await.unwrap());
        assert_eq!(code, Some(3), "{errors}");
        assert!(errors.contains(reason), "{errors}");
    }
    assert_eq!(app.payments("").await, [json!(null); 0]);
}

#[tokio::test]
async fn a_payment_that_failed_for_good_is_not_sent_again_from_its_file() {
    let (app, folder) = (App::start().await, tempdir().unwrap());
    let file = folder.path().join("key");
    let failing = || {
        let mut command = pay(app.address(), &["--amount", "100", "--source", "tok_error"]);
        command.arg("--key-file").arg(&file);
        command
    };
    let (code, _, errors) = ended(&failing().output().await.unwrap());
    assert_eq!(code, Some(4), "{errors}");
    let (code, _, errors) = ended(&failing().output().await.unwrap());
    assert_eq!(code, Some(1), "{errors}");
    assert!(
        errors.contains("must not be sent again by a program"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_payment_without_an_answer_shows_the_key_to_go_on_with() {
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let options = ["--amount", "100", "--tries", "2"];
    let (code, _, errors) = ended(&pay(address, &options).output().await.unwrap());
    assert_eq!(code, Some(4), "{errors}");
    assert!(errors.contains("no final answer after 2 tries"), "{errors}");
    let (_, key) = errors.split_once("with the key ").unwrap();
    let key: String = key.chars().take(36).collect();

    let app = App::start().await;
    let options = ["--amount", "100", "--key", &key];
    let mut paid = Vec::new();
    for _ in 0..2 {
        let (code, payment, errors) = ended(&pay(app.address(), &options).output().await.unwrap());
        assert_eq!(code, Some(0), "{errors}");
        paid.push(payment);
    }
    assert_eq!(paid[0], paid[1]);

    // What another payment under this key is told says nothing of the first.
    let options = ["--amount", "101", "--key", &key];
    let (code, _, errors) = ended(&pay(app.address(), &options).output().await.unwrap());
    assert_eq!(code, Some(4), "{errors}");
    assert!(errors.contains(&key), "{errors}");
    assert_eq!(app.payments("").await.len(), 1);
}

#[tokio::test]
async fn a_key_file_outlives_the_api_key_but_is_for_one_account() {
    let (app, folder) = (App::start().await, tempdir().unwrap());
    let file = folder.path().join("key");
    let network = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = network.local_addr().unwrap();
    let pay_with = |api_key: &str, account: &str| {
        let payment = ["--amount", "1250", "--tries", "1", "--account", account];
        let mut command = pay_as(api_key, address, &payment);
        command.arg("--key-file").arg(&file);
        command
    };
    let forward = tokio::spawn(async move {
        drop(network.accept().await.unwrap());
        let (mut client, _) = network.accept().await.unwrap();
        let mut server = TcpStream::connect(app.address()).await.unwrap();
        drop(copy_bidirectional(&mut client, &mut server).await);
        app
    });
    let (code, _, errors) = ended(&pay_with("old", "acme").output().await.unwrap());
    assert_eq!(code, Some(4), "{errors}");
    let (code, _, errors) = ended(&pay_with("acme-demo-key", "globex").output().await.unwrap());
    assert_eq!(code, Some(1), "{errors}");
    assert!(errors.contains("the key of another request"), "{errors}");
    let (code, _, errors) = ended(&pay_with("acme-demo-key", "acme").output().await.unwrap());
    assert_eq!(code, Some(0), "{errors}");
    assert_eq!(forward.await.unwrap().payments("").await.len(), 1);
}

#[tokio::test]
async fn bounds_that_cannot_be_kept_are_wrong_usage_and_long_ones_are_not() {
    let app = App::start().await;
    let (code, _, errors) = ended(
        &pay(app.address(), &["--amount", "1", "--tries", "0"])
            .output()
            .await
            .unwrap(),
    );
    assert_eq!(code, Some(2), "{errors}");
    let forever = ["--amount", "1", "--give-up-after", "500000000000y"];
    let (code, _, errors) = ended(&pay(app.address(), &forever).output().await.unwrap());
    assert_eq!(code, Some(0), "{errors}");
}
