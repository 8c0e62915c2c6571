//! The page's client. It retries as any client does: the same request, with the same key.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::home::api::Api;
use crate::home::story::{Action, Answer, Order, Outcome, Stories};
use crate::node::Node;
use crate::program;

/// A client of this API.
pub(super) struct Visitor {
    api: Api,
    victim: Option<Victim>,
}

/// What a second process is started with, to be killed.
pub(super) struct Victim {
    pub(super) program: PathBuf,
    pub(super) database_url: String,
    pub(super) rollout: String,
}

/// How many requests arrive together.
const BURST: usize = 20;
/// When the client hangs up.
const SHORT: Duration = Duration::from_millis(300);
/// How often, and after what time, it asks again where the answer says that it may.
const TRIES: usize = 20;
const RETRY_AFTER: Duration = Duration::from_millis(200);

impl Visitor {
    /// Without a victim nothing is killed.
    ///
    /// # Errors
    ///
    /// No client can be made on this machine.
    pub(super) fn new(api: SocketAddr, victim: Option<Victim>) -> reqwest::Result<Self> {
        Ok(Self {
            api: Api::new(&format!("http://{api}"))?,
            victim,
        })
    }

    pub(super) fn has_victim(&self) -> bool {
        self.victim.is_some()
    }

    /// Does what a button says, and returns when its answers are there.
    pub(super) async fn act(&self, stories: &Stories, action: Action, amount: i64) {
        match action {
            Action::Pay => self.pay(stories, action, &order(amount, "tok_visa")).await,
            Action::Retry => {
                let order = self.last_order(stories, amount).await;
                self.pay(stories, action, &order).await;
            }
            Action::Other => {
                let mut order = self.last_order(stories, amount).await;
                order.amount = order.amount.saturating_add(100);
                self.pay(stories, action, &order).await;
            }
            Action::Burst => self.burst(stories, &order(amount, "tok_slow_300")).await,
            Action::HangUp => self.hang_up(stories, &order(amount, "tok_slow_1500")).await,
            Action::Crash => self.crash(stories, &order(amount, "tok_slow_1000")).await,
        }
    }

    /// What a retry repeats. On a new page that is a payment that is made first.
    async fn last_order(&self, stories: &Stories, amount: i64) -> Order {
        if let Some(order) = stories.last_order() {
            return order;
        }
        let order = order(amount, "tok_visa");
        self.pay(stories, Action::Pay, &order).await;
        order
    }

    async fn pay(&self, stories: &Stories, action: Action, order: &Order) {
        let number = stories.begin(action, order, 1);
        let sent = self.api.send(order).await;
        stories.end(number, outcome(sent));
    }

    async fn burst(&self, stories: &Stories, order: &Order) {
        let number = stories.begin(Action::Burst, order, BURST);
        let sent = join_all((0..BURST).map(|_| self.api.send(order))).await;
        stories.end(number, tally(sent));
    }

    /// Drops the request, which closes its connection.
    async fn hang_up(&self, stories: &Stories, order: &Order) {
        let number = stories.begin(Action::HangUp, order, 1);
        let sent = timeout(SHORT, self.api.send(order)).await;
        stories.end(number, sent.map_or(Outcome::HungUp, outcome));
    }

    /// Pays at a process that is killed in the middle, and again when it has been started again.
    async fn crash(&self, stories: &Stories, order: &Order) {
        let number = stories.begin(Action::Crash, order, 1);
        let Some(victim) = &self.victim else {
            let refused = "only an API on a loopback address starts a process that it kills";
            return stories.end(number, Outcome::Failed(refused.to_owned()));
        };
        match self.kill_in_the_middle(victim, order).await {
            Ok(outcome) => stories.end(number, outcome),
            Err(error) => return stories.end(number, Outcome::Failed(error.to_string())),
        }
        let again = match victim.start().await {
            Ok(again) => again,
            Err(error) => {
                let number = stories.begin(Action::Retry, order, 0);
                return stories.end(number, Outcome::Failed(error.to_string()));
            }
        };
        let again_api = self.api.at(&again.url());
        for _ in 0..TRIES {
            let number = stories.begin(Action::Retry, order, 1);
            let sent = again_api.send(order).await;
            let is_final = sent.as_ref().is_ok_and(Answer::is_final);
            stories.end(number, outcome(sent));
            if is_final {
                return;
            }
            // Some servers take a moment to notice that a client is gone, and hold its locks meanwhile.
            sleep(RETRY_AFTER).await;
        }
    }

    async fn kill_in_the_middle(&self, victim: &Victim, order: &Order) -> io::Result<Outcome> {
        let node = victim.start().await?;
        let (api, id) = (self.api.at(&node.url()), node.id().unwrap_or_default());
        let kill = async {
            node.is_in_the_middle(api.client()).await?;
            node.kill().await
        };
        let (answered, killed) = tokio::join!(api.send(order), kill);
        killed?;
        Ok(match answered {
            Ok(answer) => Outcome::Answered(vec![(answer, 1)]),
            Err(_) => Outcome::Killed(id),
        })
    }
}

impl Victim {
    async fn start(&self) -> io::Result<Node> {
        let options = ["--pool-size", "2", "--rollout", &self.rollout];
        let program = Command::new(&self.program);
        Node::start(program, "127.0.0.1:0", &self.database_url, &options).await
    }
}

fn order(amount: i64, source: &'static str) -> Order {
    Order {
        key: Arc::from(Uuid::new_v4().to_string()),
        amount,
        source,
    }
}

fn outcome(sent: reqwest::Result<Answer>) -> Outcome {
    tally([sent])
}

/// Counts equal answers.
fn tally(sent: impl IntoIterator<Item = reqwest::Result<Answer>>) -> Outcome {
    let mut answers: Vec<(Answer, usize)> = Vec::new();
    for answer in sent {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Outcome::Failed(program::on_one_line(&error)),
        };
        match answers.iter_mut().find(|(other, _)| *other == answer) {
            Some((_, count)) => *count += 1,
            None => answers.push((answer, 1)),
        }
    }
    answers.sort_by_key(|(answer, _)| answer.status);
    Outcome::Answered(answers)
}
