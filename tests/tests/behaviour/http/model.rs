//! Random histories agree with a model of the allowed responses and of the database's content.

use std::collections::BTreeMap;
use std::time::Duration;

use idem_axum::Scope;
use idem_tests::a_moment;
use idem_tests::http::{Answer, post};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Pool};
use tokio::time::timeout;

use super::support::history::{Name, Step, Try, history};
use super::support::scripted_app::{Node, all, send};
use super::{Db, OF_SCOPE_AND_KEY, RECORD, SCOPE_AND_KEY, TestDb};

/// `IDEM_MODEL_SEEDS=1000..2000` runs these instead; a failure names its seed.
const SEEDS: std::ops::Range<u64> = 1..5;
const STEPS: usize = 120;

#[tokio::test(flavor = "multi_thread")]
async fn random_histories_agree_with_the_model() {
    for seed in seeds() {
        let mut world = World::start().await;
        for (number, step) in history(seed, STEPS).into_iter().enumerate() {
            let context = format!("seed {seed}, step {number}: {step:?}");
            world.take(step, &context).await;
            world.compare(&context).await;
        }
    }
}

fn seeds() -> std::ops::Range<u64> {
    let Ok(range) = std::env::var("IDEM_MODEL_SEEDS") else {
        return SEEDS;
    };
    let (first, end) = range.split_once("..").unwrap();
    first.parse().unwrap()..end.parse().unwrap()
}

/// The content of a name's record.
#[derive(Clone, Debug)]
struct Kept {
    amount: i64,
    status: u16,
    body: Vec<u8>,
    live: bool,
}

/// Two nodes with one database, and the model's state of it.
struct World {
    _db: TestDb,
    /// For statements that are not the application's.
    direct: Pool<Db>,
    nodes: [Node; 2],
    kept: BTreeMap<Name, Kept>,
    paid: BTreeMap<Name, i64>,
}

impl World {
    async fn start() -> Self {
        let db = TestDb::new().await;
        let direct = db.direct().await;
        let nodes = [Node::start(&db).await, Node::on(db.pool().await)];
        let (kept, paid) = Default::default();
        Self {
            _db: db,
            direct,
            nodes,
            kept,
            paid,
        }
    }

    async fn take(&mut self, step: Step, context: &str) {
        match step {
            Step::Attempts(name, tries) => {
                let runs = self.runs();
                let answers = self.answers(name, &tries).await;
                let ran = self.judge(name, &tries, &answers, context);
                assert_eq!(self.runs() - runs, ran, "{context}: {answers:?}");
            }
            Step::Expire(name) => {
                if let Some(kept) = self.kept.get_mut(&name) {
                    kept.live = false;
                }
                expire(self.pool(), name).await;
            }
            Step::Sweep(node) => {
                let before = self.kept.len() as u64;
                self.kept.retain(|_, kept| kept.live);
                let swept = self.nodes[node].idem.sweep().await.unwrap();
                assert_eq!(swept, before - self.kept.len() as u64, "{context}");
            }
            Step::Erase(node, tenant) => {
                let before = self.kept.len() as u64;
                self.kept.retain(|(other, _), _| *other != tenant);
                let scope = Scope::new(tenant).unwrap();
                let erased = self.nodes[node].idem.erase(&scope, "test").await.unwrap();
                assert_eq!(erased, before - self.kept.len() as u64, "{context}");
            }
            Step::Restart(node) => {
                self.nodes[node] = Node::on(self.nodes[node].idem.pool().clone());
            }
        }
    }

    /// Updates the model from the responses, and returns how many handlers ran.
    fn judge(&mut self, name: Name, tries: &[Try], answers: &[Answer], context: &str) -> usize {
        let live = self.kept.get(&name).filter(|kept| kept.live).cloned();
        let alone = tries.len() == 1;
        let mut stored = live.clone();
        let mut ran = 0;
        for (one, answer) in tries.iter().zip(answers) {
            let Some(keeps) = runs(one, answer) else {
                continue;
            };
            ran += 1;
            assert!(live.is_none(), "{context}: ran over a record: {answer:?}");
            if keeps {
                assert!(stored.is_none(), "{context}: two are stored: {answers:?}");
                *self.paid.entry(name).or_default() += i64::from(answer.status == 201);
                stored = Some(Kept {
                    amount: one.amount,
                    status: answer.status.as_u16(),
                    body: answer.body.to_vec(),
                    live: true,
                });
            }
        }
        for (one, answer) in tries.iter().zip(answers) {
            if runs(one, answer).is_some() {
                continue;
            }
            let same = stored
                .as_ref()
                .is_some_and(|kept| kept.amount == one.amount);
            let others = tries.iter().any(|other| other.amount != one.amount);
            let (status, kind) = (answer.status.as_u16(), kind(answer));
            let allowed = match (answer.is_replay(), kind.as_str()) {
                (true, _) => {
                    let kept = stored.as_ref().unwrap();
                    same && (status, &*answer.body) == (kept.status, &*kept.body)
                }
                (false, "key-reused") => (stored.is_some() && !same) || others,
                (false, "in-flight" | "try-again") => {
                    !alone && answer.header("retry-after").is_some()
                }
                _ => false,
            };
            assert!(allowed, "{context}: {answer:?} of {answers:?}");
        }
        let successes = tries.iter().all(|one| one.then.is_empty());
        assert!(stored.is_some() || !successes, "{context}: {answers:?}");
        self.kept.extend(stored.map(|kept| (name, kept)));
        ran
    }

    /// A try that has no other beside it is repeated while its name is held by the step before: MySQL releases a name only
    /// after the client has its response.
    async fn answers(&self, name: Name, tries: &[Try]) -> Vec<Answer> {
        let answered = async {
            loop {
                let sent = tries.iter().map(|one| self.send(name, one));
                let answers = all(sent.collect()).await;
                if !matches!(&answers[..], [alone] if kind(alone) == "in-flight") {
                    return answers;
                }
                a_moment().await;
            }
        };
        timeout(Duration::from_secs(30), answered).await.unwrap()
    }

    fn send(&self, (tenant, key): Name, one: &Try) -> tokio::task::JoinHandle<Answer> {
        let attempt = post(one.path)
            .header("authorization", &format!("Bearer {tenant}"))
            .header("x-then", one.then)
            .key(key)
            .json(&json!({ "amount": one.amount }));
        send(&self.nodes[one.node].app(), attempt)
    }

    fn runs(&self) -> usize {
        self.nodes.iter().map(|node| node.runs()).sum()
    }

    fn pool(&self) -> &Pool<Db> {
        &self.direct
    }

    /// Checks that the database holds exactly what the model does.
    async fn compare(&self, context: &str) {
        let rows = format!("select {SCOPE_AND_KEY}, status, body from {RECORD}");
        let rows: Vec<(String, String, i16, Vec<u8>)> = sqlx::query_as(AssertSqlSafe(rows))
            .fetch_all(self.pool())
            .await
            .unwrap();
        let mut expected = self.kept.iter().map(|((tenant, key), kept)| {
            let (tenant, key) = ((*tenant).to_owned(), (*key).to_owned());
            (tenant, key, kept.status.cast_signed(), kept.body.clone())
        });
        assert_eq!(
            sorted(rows),
            expected.by_ref().collect::<Vec<_>>(),
            "{context}"
        );
        let paid = "select tenant, reference, count(*) from payment group by tenant, reference";
        let paid: Vec<(String, String, i64)> =
            sqlx::query_as(paid).fetch_all(self.pool()).await.unwrap();
        let expected = self.paid.iter().filter(|(_, count)| **count > 0);
        let expected = expected.map(|((t, k), count)| ((*t).to_owned(), (*k).to_owned(), *count));
        assert_eq!(sorted(paid), expected.collect::<Vec<_>>(), "{context}");
    }
}

/// Whether the response is that of a handler that ran, and if so whether it is stored.
fn runs(one: &Try, answer: &Answer) -> Option<bool> {
    if answer.is_replay() {
        return None;
    }
    match (one.then, answer.status.as_u16(), kind(answer).as_str()) {
        ("", 201, _) | ("402", 402, _) => Some(true),
        ("409", 409, "") => Some(false),
        ("panic", 500, "handler-panicked") | ("fail", 500, "not-committed") => Some(false),
        ("fail" | "rollback", 500, "transaction-broken") => Some(true),
        _ => None,
    }
}

/// The last part of a problem's type; empty for a response of the handler.
fn kind(answer: &Answer) -> String {
    if answer.header("content-type") != Some("application/problem+json") {
        return String::new();
    }
    let problem: Value = answer.json();
    let kind = problem["type"].as_str().unwrap();
    kind.rsplit(':').next().unwrap().to_owned()
}

async fn expire(pool: &Pool<Db>, (tenant, key): Name) {
    let expire = format!("update {RECORD} set expires_at = created_at where {OF_SCOPE_AND_KEY}");
    let expire = sqlx::query(AssertSqlSafe(expire)).bind(tenant).bind(key);
    expire.execute(pool).await.unwrap();
}

fn sorted<T: Ord>(mut rows: Vec<T>) -> Vec<T> {
    rows.sort();
    rows
}
