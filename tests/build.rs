//! Detects the available databases and brokers, so that tests of a missing one count as ignored.

use std::{env, os::unix::net::UnixStream, path::Path, process::Command};

fn main() {
    println!("cargo::rustc-check-cfg=cfg(idem_no_postgres, idem_no_mysql, idem_no_server_log)");
    for name in [
        "CI",
        "IDEM_TEST_POSTGRES_URL",
        "IDEM_TEST_MYSQL_URL",
        "IDEM_TEST_CITUS_URL",
        "DOCKER_HOST",
    ] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    // The socket appears anew whenever Docker starts. While there is none Cargo runs this file every time.
    println!("cargo::rerun-if-changed={}", docker_socket());
    println!(
        "cargo::rustc-check-cfg=cfg(idem_no_galera, idem_no_nats, idem_no_rabbitmq, idem_no_python, \
         idem_no_prometheus, idem_no_pgbouncer, idem_no_docker, idem_no_group, idem_no_browser)"
    );
    for file in [GALERA, NATS, RABBITMQ, PROMETHEUS, PGBOUNCER, CHROMEDRIVER] {
        println!("cargo::rerun-if-changed={file}");
    }

    // There is no package of Citus to be installed, so its tests run where a cluster is named, on CI too.
    println!("cargo::rustc-check-cfg=cfg(idem_citus)");
    if is_set("IDEM_TEST_CITUS_URL") {
        println!("cargo::rustc-cfg=idem_citus");
    }

    // On CI nothing is ignored: a test of a missing database fails there.
    if is_set("CI") {
        return;
    }
    if !has_galera() {
        println!("cargo::rustc-cfg=idem_no_galera");
    }
    if !Path::new(NATS).exists() {
        println!("cargo::rustc-cfg=idem_no_nats");
    }
    if !Path::new(RABBITMQ).exists() {
        println!("cargo::rustc-cfg=idem_no_rabbitmq");
    }
    if !Path::new(PROMETHEUS).exists() {
        println!("cargo::rustc-cfg=idem_no_prometheus");
    }
    if !Path::new(PGBOUNCER).exists() {
        println!("cargo::rustc-cfg=idem_no_pgbouncer");
    }
    // axe-core, which the tests look at pages with, comes from npm.
    let npm = Command::new("npm").arg("--version").output();
    let has_npm = npm.is_ok_and(|output| output.status.success());
    if !Path::new(CHROMEDRIVER).exists() || !has_npm {
        println!("cargo::rustc-cfg=idem_no_browser");
    }
    // Asked only by those who want it, since the answer may change with everything that Docker does.
    if is_set("CARGO_FEATURE_GROUP_REPLICATION") && !has_image_of_mysql() {
        println!("cargo::rustc-cfg=idem_no_group");
        println!("cargo::rerun-if-changed={NEVER_THERE}");
    }
    let python = Command::new("python3").arg("--version").output();
    if !python.is_ok_and(|output| output.status.success()) {
        println!("cargo::rustc-cfg=idem_no_python");
    }
    let has_docker = docker_answers();
    if !has_docker {
        println!("cargo::rustc-cfg=idem_no_docker");
    }
    if is_set("IDEM_TEST_POSTGRES_URL") {
        println!("cargo::rustc-cfg=idem_no_server_log");
    } else if !has_docker {
        println!("cargo::rustc-cfg=idem_no_postgres");
    }
    if is_set("IDEM_TEST_MYSQL_URL") {
        println!("cargo::rustc-cfg=idem_no_server_log");
    } else if !has_docker {
        println!("cargo::rustc-cfg=idem_no_mysql");
    }
}

fn is_set(name: &str) -> bool {
    env::var(name).is_ok_and(|value| !value.is_empty())
}

fn docker_socket() -> String {
    env::var("DOCKER_HOST")
        .ok()
        .and_then(|host| host.strip_prefix("unix://").map(str::to_owned))
        .unwrap_or_else(|| "/var/run/docker.sock".to_owned())
}

/// Whether Docker's socket accepts connections. A server behind a URL is not checked here.
fn docker_answers() -> bool {
    let remote = env::var("DOCKER_HOST").is_ok_and(|host| !host.starts_with("unix://"));
    remote || UnixStream::connect(docker_socket()).is_ok()
}

/// Whether Docker has the image that `idem_tests::group_replication` starts.
fn has_image_of_mysql() -> bool {
    println!("cargo::rerun-if-env-changed=IDEM_TEST_MYSQL_IMAGE");
    let named = env::var("IDEM_TEST_MYSQL_IMAGE").unwrap_or_default();
    let image = match named.starts_with("mysql") {
        true => named.as_str(),
        false => "mysql:9.7",
    };
    let inspect = Command::new("docker")
        .args(["image", "inspect", image])
        .output();
    inspect.is_ok_and(|output| output.status.success())
}

/// Whether the programs of Debian's `mariadb-server`, `galera-4` and `rsync` are installed.
fn has_galera() -> bool {
    let programs = ["mariadbd", "mariadb-install-db", "rsync"];
    let folders = ["/usr/sbin", "/usr/bin"].map(Path::new);
    let is_there = |name: &&str| folders.iter().any(|folder| folder.join(name).exists());
    Path::new(GALERA).exists() && programs.iter().all(is_there)
}

/// Cargo runs this file again each time while a file that it depends on is missing.
const NEVER_THERE: &str = "no-image-of-mysql";

const GALERA: &str = "/usr/lib/galera/libgalera_smm.so";

/// The programs of Debian's `nats-server` and `rabbitmq-server`.
const NATS: &str = "/usr/sbin/nats-server";
const RABBITMQ: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";
/// The program of Debian's `pgbouncer`.
const PGBOUNCER: &str = "/usr/sbin/pgbouncer";
/// The program of Debian's `prometheus`.
const PROMETHEUS: &str = "/usr/bin/prometheus";
/// The program of Debian's `chromium-driver`.
const CHROMEDRIVER: &str = "/usr/bin/chromedriver";
