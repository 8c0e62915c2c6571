//! Clients of several nodes of the payments app, which check every response they hear.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    http::{Answer, Attempt, post},
    process::Process,
};

/// The nodes, and what their clients have heard. A violation is reported with all responses to its key.
#[derive(Debug)]
pub struct Clients {
    apps: Vec<Process>,
    /// The attempts of [`Clients::send`].
    sent: JoinSet<Told>,
    /// The clients of [`Clients::begin`], and what they hear.
    paying: JoinSet<()>,
    tell: UnboundedSender<Told>,
    hear: UnboundedReceiver<Told>,
    told: BTreeMap<String, Vec<(usize, Answer)>>,
}

/// A response to a key, from a node.
type Told = (String, usize, Answer);

/// Keys, which are also the payments' references.
pub fn keys(name: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{name}-{number}"))
        .collect()
}

/// Whether it is a retryable refusal with this status.
pub fn is_refusal(answer: &Answer, status: u16) -> bool {
    let problem = answer.header("content-type") == Some("application/problem+json");
    answer.status == status && problem && answer.header("retry-after").is_some()
}

impl Clients {
    /// Clients of these nodes.
    pub fn of(apps: Vec<Process>) -> Self {
        let (tell, hear) = unbounded_channel();
        Self {
            apps,
            sent: JoinSet::new(),
            paying: JoinSet::new(),
            tell,
            hear,
            told: BTreeMap::new(),
        }
    }

    /// Sends an attempt without waiting for its response.
    pub fn send(&mut self, key: &str, node: usize, source: &str) {
        let (key, attempt) = (key.to_owned(), pay(key, source));
        let address = self.apps[node].address();
        self.sent
            .spawn(async move { (key, node, attempt.send_to(address).await.unwrap()) });
    }

    /// Waits for the next response to a sent attempt.
    pub async fn next_told(&mut self) -> (usize, Answer) {
        let next = timeout(PATIENCE, self.sent.join_next()).await;
        let next = next.expect("an attempt is answered in time");
        let (key, node, answer) = next.expect("something was sent").unwrap();
        self.hear(&key, node, &answer);
        (node, answer)
    }

    /// Waits for the responses to all sent attempts.
    pub async fn all_told(&mut self) {
        while !self.sent.is_empty() {
            self.next_told().await;
        }
    }

    /// Begins to pay these keys, some at a time: each is sent to one node after the other until it is paid.
    pub fn begin(&mut self, keys: &[String]) {
        let addresses: Vec<_> = self.apps.iter().map(Process::address).collect();
        let keys = Arc::new(Mutex::new(keys.to_vec()));
        for first in 0..AT_A_TIME {
            let (tell, keys, addresses) = (self.tell.clone(), Arc::clone(&keys), addresses.clone());
            self.paying.spawn(async move {
                let next = || keys.lock().unwrap().pop();
                while let Some(key) = next() {
                    pay_until_told(&key, first, &addresses, &tell).await;
                }
            });
        }
    }

    /// Waits until so many keys are paid.
    pub async fn paid(&mut self, count: usize) {
        let is_paid = |told: &&Vec<(usize, Answer)>| told.iter().any(|(_, one)| one.status == 201);
        while self.told.values().filter(is_paid).count() < count {
            let next = async {
                tokio::select! {
                    told = self.hear.recv() => told,
                    // A client that has failed says why.
                    Some(ended) = self.paying.join_next() => {
                        ended.unwrap();
                        None
                    }
                }
            };
            let next = timeout(PATIENCE, next).await;
            if let Some((key, node, answer)) = next.expect("an attempt is answered in time") {
                self.hear(&key, node, &answer);
            }
        }
    }

    /// Sends an attempt and waits for its response.
    pub async fn attempt(&mut self, key: &str, node: usize) -> Answer {
        let attempt = pay(key, "tok_visa");
        let answer = timeout(PATIENCE, attempt.send_to(self.apps[node].address())).await;
        let answer = answer.expect("an attempt is answered in time").unwrap();
        self.hear(key, node, &answer);
        answer
    }

    /// Retries until the response is final, as a client does.
    pub async fn retry(&mut self, key: &str, node: usize) -> Answer {
        for _ in 0..400 {
            let answer = self.attempt(key, node).await;
            if !is_retryable(&answer) {
                return answer;
            }
            sleep(PAUSE).await;
        }
        self.violated(key, node, "no final answer");
    }

    /// Retries every key on every node: each retry is a replay, of one payment.
    pub async fn each_is_replayed(&mut self, keys: &[String]) {
        for key in keys {
            for node in 0..self.apps.len() {
                let answer = self.retry(key, node).await;
                if !answer.is_replay() && node > 0 {
                    self.violated(key, node, "a retry is not replayed");
                }
            }
        }
    }

    /// Forgets what was heard, for a server that has lost it.
    pub fn forget(&mut self) {
        self.told.clear();
    }

    /// Retries every key, and returns those that are replayed.
    pub async fn retry_all(&mut self, keys: &[String]) -> BTreeSet<String> {
        let mut replayed = BTreeSet::new();
        for key in keys {
            if self.retry(key, 0).await.is_replay() {
                replayed.insert(key.clone());
            }
        }
        replayed
    }

    /// Checks that each key has one payment on this node, and that there is no other payment.
    pub fn each_is_paid_once(&self, keys: &[String], node: usize, paid: &BTreeMap<String, i64>) {
        let of = |key: &str| paid.get(key).copied().unwrap_or(0);
        let mut all = keys.iter().chain(paid.keys());
        if let Some(key) = all.find(|key| of(key) != 1) {
            self.violated(key, node, &format!("{} payments", of(key)));
        }
        eprintln!(
            "{} keys on node {node}: none paid twice, none lost",
            keys.len()
        );
    }

    /// Checks a response: a payment with the key's one id, or a retryable refusal.
    fn hear(&mut self, key: &str, node: usize, answer: &Answer) {
        let told = self.told.entry(key.to_owned()).or_default();
        told.push((node, answer.clone()));
        let paid = told.iter().filter(|(_, answer)| answer.status == 201);
        let mut ids: Vec<_> = paid
            .map(|(_, paid)| paid.json::<Value>()["id"].clone())
            .collect();
        ids.dedup();
        if ids.len() > 1 {
            self.violated(key, node, "more than one payment is told of");
        }
        if answer.status != 201 && !is_refusal(answer, 409) && !is_refusal(answer, 503) {
            self.violated(key, node, "an answer of another kind");
        }
    }

    fn violated(&self, key: &str, node: usize, what: &str) -> ! {
        let none = Vec::new();
        let told = self.told.get(key).unwrap_or(&none);
        let lines = told.iter().map(|(node, answer)| {
            let body = String::from_utf8_lossy(&answer.body);
            let replay = if answer.is_replay() { " (replay)" } else { "" };
            format!("  node {node}: {}{replay} {body}\n", answer.status)
        });
        let lines: String = lines.collect();
        let log = self.apps[node].log();
        panic!("{key} on node {node}: {what}; its answers:\n{lines}the node's log:\n{log}");
    }
}

fn is_retryable(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 409 | 503)
}

async fn pay_until_told(
    key: &str,
    first: usize,
    addresses: &[SocketAddr],
    tell: &UnboundedSender<Told>,
) {
    for node in (0..addresses.len()).cycle().skip(first) {
        let answer = pay(key, "tok_visa").send_to(addresses[node]).await.unwrap();
        let is_final = !is_retryable(&answer);
        if tell.send((key.to_owned(), node, answer)).is_err() || is_final {
            return;
        }
        sleep(PAUSE).await;
    }
}

fn pay(key: &str, source: &str) -> Attempt {
    let body = json!({"amount": 100, "currency": "EUR", "reference": key, "source": source});
    post("/payments")
        .header("authorization", "Bearer acme-demo-key")
        .key(key)
        .json(&body)
}

/// How many clients there are.
const AT_A_TIME: usize = 16;

/// How long a client waits before it asks again.
const PAUSE: Duration = Duration::from_millis(50);

/// Longer than any attempt may take.
const PATIENCE: Duration = Duration::from_secs(60);
