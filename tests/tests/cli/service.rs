//! A service with records and dead letters, and the command that is run beside it.

use std::process::Stdio;

use idem_axum::Scope;
use idem_axum::engine::{
    Attempt, Claim, Completion, ConsumerPolicy, Effects, Engine, Fingerprint, FingerprintBy,
    FingerprintInput, Fresh, Idempotency, Inbox, Message, Operation, Policy, RecordName,
};
use idem_tests::process;
use serde_json::Value;
use tokio::time::Instant;

use super::{Db, FEATURE, TestDb};

/// The database, and the service's handle to it.
pub struct Service {
    pub db: TestDb,
    pub idem: Idempotency<Db>,
    inbox: Inbox<Db>,
}

impl Service {
    /// A service whose consumers give up after one attempt.
    pub async fn start() -> Self {
        let db = TestDb::empty().await;
        let idem = Idempotency::new(db.pool().await);
        idem.migrate().await.unwrap();
        let mut inbox = Inbox::builder(idem.clone());
        for consumer in ["ledger", "mail"] {
            inbox = inbox.consumer(consumer, ConsumerPolicy::default().max_attempts(1));
        }
        let inbox = inbox.build().unwrap();
        Self { db, idem, inbox }
    }

    /// Begins the attempt of a request. Its key is in use until the value is completed or dropped.
    pub async fn begin(&self, scope: &str, operation: &str, key: &str) -> Fresh<Db> {
        match self.claim(scope, operation, key, Policy::default()).await {
            Claim::Fresh(fresh) => fresh,
            claim => panic!("{claim:?}"),
        }
    }

    /// What the next request gets.
    pub async fn claim(
        &self,
        scope: &str,
        operation: &str,
        key: &str,
        policy: Policy,
    ) -> Claim<Fresh<Db>> {
        let attempt = Attempt {
            name: RecordName {
                scope: Scope::new(scope).unwrap(),
                operation: Operation::new(operation).unwrap(),
                key: key.parse().unwrap(),
            },
            fingerprint: Fingerprint::of(
                &FingerprintInput::new("POST", "/payments", b"{}"),
                FingerprintBy::Body,
            ),
            policy,
            deadline: Instant::now() + policy.timeout,
        };
        self.idem.claim(attempt).await.unwrap()
    }

    /// Whether a retry of the request would run again.
    pub async fn would_run(&self, scope: &str, operation: &str, key: &str) -> bool {
        let name = RecordName {
            scope: Scope::new(scope).unwrap(),
            operation: Operation::new(operation).unwrap(),
            key: key.parse().unwrap(),
        };
        self.idem.stored_response(&name).await.unwrap().is_none()
    }

    /// Stores the response of a request: 201, with this body.
    pub async fn store(&self, scope: &str, operation: &str, key: &str, body: &[u8]) {
        self.store_with(scope, operation, key, body, None).await;
    }

    pub async fn store_with(
        &self,
        scope: &str,
        operation: &str,
        key: &str,
        body: &[u8],
        reference: Option<&str>,
    ) {
        let mut fresh = self.begin(scope, operation, key).await;
        if let Some(reference) = reference {
            fresh.tx().reference(reference).unwrap();
        }
        complete(fresh, body).await;
    }

    /// Makes a dead letter of a message.
    pub async fn park(&self, consumer: &str, message: impl Into<Message<'_>>, error: &str) {
        let failed = self
            .inbox
            .process(consumer, message, async |_| Err::<(), _>(error))
            .await;
        failed.unwrap_err();
    }

    /// Whether the message is handled now, and not suppressed.
    pub async fn handles(&self, consumer: &str, id: &str) -> bool {
        let handled = self
            .inbox
            .process(consumer, id, async |_| Ok::<_, String>(()))
            .await;
        matches!(handled, Ok(idem_axum::Processed::First(())))
    }

    /// Runs the command, without a terminal.
    pub async fn operate(&self, arguments: &[&str]) -> Said {
        operate_at(&self.db.url(), arguments).await
    }
}

/// Stores a response: 201, with this body.
pub async fn complete(fresh: Fresh<Db>, body: &[u8]) {
    let headers = b"content-type: application/json\r\n".to_vec();
    let completion = Completion::new(201, headers, body.to_vec());
    let broken = || Completion::new(500, Vec::new(), Vec::new());
    let done = fresh.complete(completion, Effects::Keep, broken).await;
    done.unwrap();
}

/// Runs the command on a database, without a terminal.
pub async fn operate_at(url: &str, arguments: &[&str]) -> Said {
    let mut command = process::idem(FEATURE, url);
    let done = command.args(arguments).output().await.unwrap();
    Said {
        code: done.status.code().unwrap(),
        out: String::from_utf8(done.stdout).unwrap(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

/// Runs the command, of whose output nobody reads a byte.
pub async fn operate_unread(url: &str, arguments: &[&str]) -> Said {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = process::idem(FEATURE, url);
    command
        .args(arguments)
        .stdout(writer)
        .stderr(Stdio::piped());
    let done = command.spawn().unwrap().wait_with_output().await.unwrap();
    Said {
        code: done.status.code().unwrap(),
        out: String::new(),
        err: String::from_utf8(done.stderr).unwrap(),
    }
}

/// What the command said.
#[derive(Debug)]
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Said {
    /// The output of a command that has succeeded.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
    }

    /// The objects of such an output, one a line.
    #[track_caller]
    pub fn json(self) -> Vec<Value> {
        let lines = self.done();
        let lines = lines.lines().map(serde_json::from_str);
        lines.collect::<Result<_, _>>().unwrap()
    }

    /// The one line in which a command says on standard error why it was not done.
    #[track_caller]
    pub fn refused(self, code: i32) -> String {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{self:?}");
        self.err
    }

    /// The line of the audit.
    #[track_caller]
    pub fn audit(&self) -> String {
        let mut lines = self.err.lines().filter(|line| line.contains("idem::audit"));
        let line = lines.next().unwrap_or_else(|| panic!("{self:?}"));
        assert_eq!(lines.next(), None, "{self:?}");
        line.to_owned()
    }
}
