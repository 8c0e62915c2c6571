//! What the page has sent, and what came back.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use tokio::sync::watch;

/// What a visitor can do.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(try_from = "String")]
pub(super) enum Action {
    Pay,
    Retry,
    Other,
    Burst,
    HangUp,
    Crash,
}

impl Action {
    /// In the order of their buttons.
    pub(super) const ALL: [Self; 6] = [
        Self::Pay,
        Self::Retry,
        Self::Other,
        Self::Burst,
        Self::HangUp,
        Self::Crash,
    ];

    /// What the form sends.
    pub(super) const fn value(self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Retry => "retry",
            Self::Other => "other",
            Self::Burst => "burst",
            Self::HangUp => "hang-up",
            Self::Crash => "crash",
        }
    }

    /// What the button says.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pay => "Pay",
            Self::Retry => "Retry",
            Self::Other => "Retry with another amount",
            Self::Burst => "20 at once",
            Self::HangUp => "Hang up",
            Self::Crash => "Crash",
        }
    }
}

impl TryFrom<String> for Action {
    type Error = &'static str;

    fn try_from(value: String) -> Result<Self, Self::Error> {
        let found = Self::ALL.into_iter().find(|action| action.value() == value);
        found.ok_or("there is no such button")
    }
}

/// A payment that a client wants, under one key.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) key: Arc<str>,
    pub(super) amount: i64,
    pub(super) source: &'static str,
}

/// Requests of one press, and what became of them.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    number: u64,
    pub(super) action: Action,
    pub(super) order: Order,
    pub(super) requests: usize,
    pub(super) outcome: Outcome,
}

#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Waiting,
    /// Equal answers, and how many of them.
    Answered(Vec<(Answer, usize)>),
    /// The client has gone before the answer.
    HungUp,
    /// The process with this number was killed before the answer.
    Killed(u32),
    /// Nothing was sent, or no answer came.
    Failed(String),
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Answer {
    pub(super) kind: Kind,
    pub(super) status: u16,
    /// The payment, or the problem.
    pub(super) text: String,
}

impl Answer {
    /// Whether the same request would get it again.
    pub(super) const fn is_final(&self) -> bool {
        !matches!(self.status, 409 | 503)
    }
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    /// The handler ran.
    Made,
    Replayed,
    Refused,
}

/// The newest entries, the newest one first.
#[derive(Clone, Debug, Default)]
pub(super) struct Story {
    pub(super) entries: VecDeque<Entry>,
    /// The newest payment before the first entry: older ones are not of this page.
    pub(super) since: Option<i64>,
    /// How often it has changed.
    pub(super) version: u64,
}

/// How many entries are kept. All counters are about them.
const MOST: usize = 100;

impl Story {
    /// The keys, the newest one first.
    pub(super) fn keys(&self) -> Vec<&str> {
        let mut keys: Vec<&str> = Vec::new();
        for entry in &self.entries {
            if !keys.contains(&&*entry.order.key) {
                keys.push(&entry.order.key);
            }
        }
        keys
    }

    pub(super) fn requests(&self) -> usize {
        self.entries.iter().map(|entry| entry.requests).sum()
    }

    /// How many answers there were of a kind.
    pub(super) fn answers(&self, kind: Kind) -> usize {
        let outcomes = self.entries.iter().map(|entry| &entry.outcome);
        let answers = outcomes.filter_map(|outcome| match outcome {
            Outcome::Answered(answers) => Some(answers),
            _ => None,
        });
        let of_kind = answers.flatten().filter(|(answer, _)| answer.kind == kind);
        of_kind.map(|(_, count)| count).sum()
    }
}

/// The story, for those who write it and those who follow it.
#[derive(Debug, Default)]
pub(super) struct Stories(watch::Sender<Story>);

impl Stories {
    pub(super) fn now(&self) -> Story {
        self.0.borrow().clone()
    }

    pub(super) fn follow(&self) -> watch::Receiver<Story> {
        self.0.subscribe()
    }

    pub(super) fn begin_after(&self, newest_payment: i64) {
        self.0.send_if_modified(|story| {
            story.since.get_or_insert(newest_payment);
            false
        });
    }

    /// The newest order, which a retry is about.
    pub(super) fn last_order(&self) -> Option<Order> {
        let story = self.0.borrow();
        story.entries.front().map(|entry| entry.order.clone())
    }

    /// Adds an entry that waits for its answers.
    pub(super) fn begin(&self, action: Action, order: &Order, requests: usize) -> u64 {
        let mut number = 0;
        self.0.send_modify(|story| {
            story.version += 1;
            number = story.version;
            story.entries.truncate(MOST - 1);
            story.entries.push_front(Entry {
                number,
                action,
                order: order.clone(),
                requests,
                outcome: Outcome::Waiting,
            });
        });
        number
    }

    pub(super) fn end(&self, number: u64, outcome: Outcome) {
        self.0.send_modify(|story| {
            story.version += 1;
            let mut entries = story.entries.iter_mut();
            if let Some(entry) = entries.find(|entry| entry.number == number) {
                entry.outcome = outcome;
            }
        });
    }
}
