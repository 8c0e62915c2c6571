//! A scenario as it runs: sends, writes down, judges.

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::select;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::answer::Answer;
use crate::client::Client;
use crate::exchange::Exchange;
use crate::operation::{Case, Operation};
use crate::report::Finding;
use crate::request::Request;
use crate::requirement::Requirement;
use crate::scenarios::Scenario;
use crate::verdict::{Stop, Verdict};

#[derive(Debug)]
pub(crate) struct Trial {
    pub(crate) operation: Operation,
    client: Client,
    notes: Mutex<Notes>,
}

/// What the running scenario has done so far.
#[derive(Debug, Default)]
struct Notes {
    exchanges: Vec<Exchange>,
    verdicts: Vec<(&'static str, Verdict)>,
}

impl Trial {
    pub(crate) fn new(operation: Operation, client: Client) -> Self {
        let notes = Mutex::default();
        Self {
            operation,
            client,
            notes,
        }
    }

    /// Whether the server answers at all.
    pub(crate) async fn reach(&self) -> Result<(), String> {
        let answer = self.client.send(&self.operation.probe()).await;
        answer.map(drop)
    }

    /// Runs a scenario. What it leaves open has the verdict of its end.
    pub(crate) async fn run(&self, scenario: &Scenario) -> Vec<Finding> {
        let ended = (scenario.run)(self).await;
        let open = match ended {
            Ok(()) => Verdict::NotMet("the suite did not judge it".to_owned()),
            Err(stop) => Verdict::from(stop),
        };
        let notes = std::mem::take(&mut *self.notes());
        let finding = |requirement: &&'static Requirement| {
            let judged = notes.verdicts.iter().find(|(id, _)| *id == requirement.id);
            Finding {
                requirement,
                verdict: judged.map_or_else(|| open.clone(), |(_, verdict)| verdict.clone()),
                exchanges: notes.exchanges.clone(),
            }
        };
        scenario.requirements.iter().map(finding).collect()
    }

    pub(crate) fn judge(&self, requirement: &Requirement, verdict: Verdict) {
        self.notes().verdicts.push((requirement.id, verdict));
    }

    /// Sends a request, and ends the scenario if no response comes.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, Stop> {
        let answer = self.client.send(request).await;
        self.write_down(request, Some(&answer));
        answer.map_err(Stop::Failed)
    }

    /// Sends a request that must succeed, since the rest of the scenario is about its response.
    pub(crate) async fn succeed(&self, request: &Request) -> Result<Answer, Stop> {
        let answer = self.send(request).await?;
        match answer.is_success() {
            true => Ok(answer),
            false => Err(Stop::Failed(format!(
                "a first request got {}",
                answer.status
            ))),
        }
    }

    /// Sends a request twice at once. Where one is told that the other runs, hangs up on that other, and says `true`.
    pub(crate) async fn hang_up_on_running(&self, request: &Request) -> Result<bool, Stop> {
        let (one, two) = (
            pin!(self.client.send(request)),
            pin!(self.client.send(request)),
        );
        let (answer, other) = select(one, two).await.factor_first();
        self.write_down(request, Some(&answer));
        if answer.map_err(Stop::Failed)?.says_running() {
            self.write_down(request, None);
            // Leaving drops the other, which closes its connection.
            return Ok(true);
        }
        let answer = other.await;
        self.write_down(request, Some(&answer));
        answer.map(|_| false).map_err(Stop::Failed)
    }

    /// Sends a request again while it is told to wait, as a client does.
    pub(crate) async fn send_until_final(&self, request: &Request) -> Result<Answer, Stop> {
        let end = Instant::now() + PATIENCE;
        loop {
            let answer = self.client.send(request).await;
            let is_final = answer.as_ref().map_or(true, |answer| !must_wait(answer));
            if is_final || Instant::now() > end {
                self.write_down(request, Some(&answer));
                return answer.map_err(Stop::Failed);
            }
            sleep(PAUSE).await;
        }
    }

    /// How many effects the case has, where that can be counted.
    pub(crate) async fn effects(&self, case: &Case) -> Result<Option<usize>, Stop> {
        match self.operation.effects_of(case) {
            Some(request) => self.count(&request).await.map(Some),
            None => Ok(None),
        }
    }

    /// Whether the case has so many effects; not applicable where they cannot be counted.
    pub(crate) async fn has_effects(&self, case: &Case, expected: usize) -> Result<Verdict, Stop> {
        Ok(match self.effects(case).await? {
            Some(count) => Verdict::of(count == expected, || {
                format!("{count} effects instead of {expected}")
            }),
            None => Verdict::NotApplicable("without --list-path".to_owned()),
        })
    }

    pub(crate) async fn count(&self, list: &Request) -> Result<usize, Stop> {
        let answer = self.send(list).await?;
        let pointer = self.operation.list.as_ref();
        let pointer = pointer.map_or("", |list| list.pointer.as_str());
        let value = answer.json().unwrap_or_default();
        match value.pointer(pointer) {
            Some(Value::Array(effects)) if answer.is_success() => Ok(effects.len()),
            _ => Err(Stop::Failed(format!(
                "the list of effects: {} without an array at the pointer \"{pointer}\"",
                answer.status
            ))),
        }
    }

    fn write_down(&self, request: &Request, answer: Option<&Result<Answer, String>>) {
        let exchange = Exchange::new(request, answer, &self.operation.secrets);
        self.notes().exchanges.push(exchange);
    }

    fn notes(&self) -> std::sync::MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the answer tells the client to come back.
pub(crate) fn must_wait(answer: &Answer) -> bool {
    matches!(answer.status.as_u16(), 409 | 423 | 425 | 429 | 503)
}

/// Between two tries of a client that waits.
const PAUSE: Duration = Duration::from_millis(100);

/// How long a client tries.
const PATIENCE: Duration = Duration::from_secs(30);
