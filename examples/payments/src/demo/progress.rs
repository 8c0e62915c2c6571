//! What is going on: a line that is rewritten on a terminal, else a new line for each step and second.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::watch;
use tokio::time::interval;

use super::tally::Tally;

/// Shown on standard error, so that standard output has the result alone.
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// # Errors
    ///
    /// The style is not one of `indicatif`'s.
    pub(super) fn new(payments: usize) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let style = ProgressStyle::with_template("[{bar:30}] {msg}")?.progress_chars("=> ");
        let bar = ProgressBar::new(payments.try_into()?).with_style(style);
        Ok(Self { bar })
    }

    /// Says what has been done, or is being done.
    pub(super) fn step(&self, text: &str) {
        match self.bar.is_hidden() {
            true => drop(writeln!(io::stderr(), "{text}")),
            false => self.bar.println(text),
        }
    }

    /// Says how far the payments are, for as long as it is polled.
    pub(super) async fn follow(&self, tally: watch::Receiver<Tally>) -> Infallible {
        let period = match self.bar.is_hidden() {
            true => Duration::from_secs(1),
            false => Duration::from_millis(100),
        };
        let mut ticks = interval(period);
        ticks.tick().await;
        loop {
            ticks.tick().await;
            self.show(&tally.borrow());
        }
    }

    fn show(&self, tally: &Tally) {
        let (settled, all) = (tally.settled.len(), self.bar.length().unwrap_or_default());
        self.line(&format!(
            "{settled} of {all} payments, {} requests",
            tally.sent
        ));
        self.bar.set_position(u64::try_from(settled).unwrap_or(all));
    }

    /// Replaces the line on a terminal.
    pub(super) fn line(&self, text: &str) {
        match self.bar.is_hidden() {
            true => self.step(text),
            false => self.bar.set_message(text.to_owned()),
        }
    }

    /// Removes the line.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
