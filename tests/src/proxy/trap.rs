//! A trap: the statement at which a proxy acts.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{sync::watch, time};

use super::Shared;

/// What a proxy does at the statement of a [`Trap`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Holds the statement back until [`Trap::resume`].
    Hold,
    /// Cuts the connection: the server never sees the statement.
    Cut,
    /// Forwards the statement and cuts the connection without waiting: the server may still run it.
    CutRunning,
    /// Lets the server run the statement, and holds its answer back until [`Trap::resume`].
    HoldAnswer,
    /// Lets the server run the statement, then cuts the connection instead of forwarding the answer.
    CutAnswer,
}

/// Reports when its statement arrived, and lets it pass.
#[derive(Clone, Debug)]
pub struct Trap {
    action: Action,
    text: String,
    left: Arc<Mutex<usize>>,
    reached: watch::Sender<bool>,
    resumed: watch::Sender<bool>,
    shared: Arc<Shared>,
}

impl Trap {
    pub(super) fn new(n: usize, text: &str, action: Action, shared: Arc<Shared>) -> Self {
        Self {
            action,
            text: text.to_lowercase(),
            left: Arc::new(Mutex::new(n)),
            reached: watch::Sender::new(false),
            resumed: watch::Sender::new(false),
            shared,
        }
    }

    /// Waits until the proxy has acted: the statement or its answer is held, the connection is cut.
    pub async fn reached(&self) {
        let mut reached = self.reached.subscribe();
        if time::timeout(PATIENCE, reached.wait_for(|reached| *reached))
            .await
            .is_err()
        {
            let statements = &self.shared.traffic.lock().unwrap().statements;
            panic!(
                "no statement reached the trap {:?}; seen: {statements:#?}",
                self.text
            );
        }
    }

    /// Whether the proxy has acted.
    pub fn is_reached(&self) -> bool {
        *self.reached.borrow()
    }

    /// Lets the statement or its answer pass.
    pub fn resume(&self) {
        self.resumed.send_replace(true);
    }

    /// Counts a statement, and returns whether it is the one to catch.
    pub(super) fn catches(&self, statement: &str) -> bool {
        let mut left = self.left.lock().unwrap();
        if *left == 0 || !has_words(&statement.to_lowercase(), &self.text) {
            return false;
        }
        *left -= 1;
        *left == 0
    }

    pub(super) fn action(&self) -> Action {
        self.action
    }

    pub(super) fn mark_reached(&self) {
        self.reached.send_replace(true);
    }

    pub(super) async fn resumed(&self) {
        let mut resumed = self.resumed.subscribe();
        // The sender lives in this trap, so there is always an end to wait for.
        let _ended = resumed.wait_for(|resumed| *resumed).await;
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the statement has the text as whole words: `committed` does not match `commit`.
pub(super) fn has_words(statement: &str, text: &str) -> bool {
    let is_outside = |c: char| !c.is_alphanumeric() && c != '_';
    text.is_empty()
        || statement.match_indices(text).any(|(at, _)| {
            let (before, behind) = (&statement[..at], &statement[at + text.len()..]);
            before.chars().next_back().is_none_or(is_outside)
                && behind.chars().next().is_none_or(is_outside)
        })
}
