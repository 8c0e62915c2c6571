//! The demo without a database of its own: a new SQLite file, which it removes.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use idem_tests::process::program;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::time::timeout;

use super::FEATURE;

#[tokio::test]
async fn the_demo_removes_its_database() {
    let folder = TempDir::new().unwrap();
    let options = ["--payments", "2", "--kills", "1"];
    let ended = timeout(PATIENCE, demo(folder.path()).args(options).output());
    let ended = ended.await.expect("the demo ends").unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    is_empty(&folder);
}

#[tokio::test]
#[cfg_attr(idem_no_nats, ignore = "needs nats-server")]
async fn the_demo_starts_nats_and_stops_it() {
    let folder = TempDir::new().unwrap();
    let options = ["--payments", "8", "--kills", "1"];
    let ended = timeout(PATIENCE, demo(folder.path()).args(options).output());
    let ended = ended.await.expect("the demo ends").unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(
        said.contains("the worker has its events from nats"),
        "{said}"
    );
    // A server that still ran would write there.
    is_empty(&folder);
}

#[tokio::test]
async fn ctrl_c_ends_the_demo_and_all_that_it_has_started() {
    let folder = TempDir::new().unwrap();
    let mut demo = demo(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(demo.stderr.take().unwrap()).lines();
    let address = loop {
        let line = said.next_line().await.unwrap().unwrap();
        if let Some(rest) = line.strip_prefix("the API listens on http://") {
            break rest.split_once('/').unwrap().0.to_owned();
        }
    };
    assert!(TcpStream::connect(&address).await.is_ok());
    let id = Pid::from_raw(demo.id().unwrap().try_into().unwrap()).unwrap();
    kill_process(id, Signal::INT).unwrap();
    let status = timeout(PATIENCE, demo.wait()).await.unwrap().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(TcpStream::connect(&address).await.is_err());
    is_empty(&folder);
}

#[tokio::test]
async fn what_does_not_start_says_why() {
    let folder = TempDir::new().unwrap();
    let options = ["--broker", "carrier-pigeon"];
    let ended = demo(folder.path()).args(options).output().await.unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let errors = String::from_utf8(ended.stderr).unwrap();
    let why = "the worker does not start: it has ended; its log says why: \
        worker: no such broker: carrier-pigeon";
    assert!(errors.contains(why), "{errors}");
    is_empty(&folder);
}

fn demo(folder: &Path) -> Command {
    let mut demo = program(FEATURE, "demo");
    demo.env_remove("DATABASE_URL").env("TMPDIR", folder);
    demo.stdout(Stdio::piped()).kill_on_drop(true);
    demo
}

fn is_empty(folder: &TempDir) {
    let left: Vec<_> = folder.path().read_dir().unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

const PATIENCE: Duration = Duration::from_secs(60);
