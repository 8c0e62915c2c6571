//! A Prometheus server for a test.

use std::{fmt::Write, fs, io, net::SocketAddr, path::Path, process::Command};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    daemon::{self, Daemon},
    http::{get, post},
};

/// A server of one test that scrapes every second: a child process that ends with the test.
#[derive(Debug)]
pub struct Prometheus {
    address: SocketAddr,
    _server: Daemon,
}

impl Prometheus {
    /// Starts a server with these rules and targets, and waits until it answers.
    pub async fn start(rules: &Path, targets: &[SocketAddr]) -> Self {
        Self::start_at(Self::free_address(), rules, targets).await
    }

    /// An address to start one at.
    pub fn free_address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], daemon::free_ports(1)))
    }

    /// Starts a server at this address, which its targets may know before.
    pub async fn start_at(address: SocketAddr, rules: &Path, targets: &[SocketAddr]) -> Self {
        let folder = TempDir::with_prefix("idem-prometheus-").unwrap().keep();
        let (log, data) = (folder.join("log"), folder.join("data"));
        fs::create_dir(&data).unwrap();
        let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
        let config = serde_json::json!({
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [rules],
            "scrape_configs": [{"job_name": "payments", "static_configs": [{"targets": targets}]}],
        });
        // JSON is YAML.
        let file = data.join("prometheus.yml");
        fs::write(&file, config.to_string()).unwrap();
        let mut program = Command::new("prometheus");
        program.arg(format!("--web.listen-address={address}"));
        program.arg(format!("--config.file={}", file.display()));
        program.arg(format!(
            "--storage.tsdb.path={}",
            data.join("tsdb").display()
        ));
        let server = Daemon::start(&program, &log, &data);
        let is_ready = async || {
            let answer = get("/-/ready").send_to(address).await?;
            match answer.status.is_success() {
                true => Ok(()),
                false => Err(io::Error::other(answer.status.to_string())),
            }
        };
        daemon::answer(&log, is_ready).await;
        Self {
            address,
            _server: server,
        }
    }

    /// The current values of a query's series.
    pub async fn query(&self, query: &str) -> Vec<f64> {
        let ask = post("/api/v1/query").header("content-type", "application/x-www-form-urlencoded");
        let ask = ask.body(format!("query={}", encoded(query)));
        let told = ask.send_to(self.address).await.unwrap().json::<Value>();
        assert_eq!(told["status"], "success", "{query}: {told}");
        let series = told["data"]["result"].as_array().unwrap();
        let values = series.iter().map(|series| series["value"][1].as_str());
        values
            .map(|value| value.unwrap().parse().unwrap())
            .collect()
    }

    /// The names of the firing alerts.
    pub async fn firing(&self) -> Vec<String> {
        let told = get("/api/v1/alerts").send_to(self.address).await.unwrap();
        let told = told.json::<Value>();
        let alerts = told["data"]["alerts"].as_array().unwrap().iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        let names = firing.map(|alert| alert["labels"]["alertname"].as_str());
        names.map(|name| name.unwrap().to_owned()).collect()
    }
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").unwrap();
        encoded
    })
}
