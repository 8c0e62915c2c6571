//! This program, started once more as the API or as the worker.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::{env, io};

use tokio::process::Command;

/// What this program can be started as.
#[derive(Clone, Copy)]
pub(super) enum Part {
    Api,
    Worker,
}

impl Part {
    const ALL: [Self; 2] = [Self::Api, Self::Worker];

    /// The part that this process was started to play.
    pub(super) fn of_this_process() -> Option<Self> {
        let name = env::var(VARIABLE).ok()?;
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// This program as the part, which appends to its log in the folder.
    ///
    /// # Errors
    ///
    /// The log cannot be written, or this program cannot be found.
    pub(super) fn program(self, logs: &Path) -> io::Result<Command> {
        let mut log = File::options();
        let log = log.create(true).append(true).open(self.log(logs))?;
        let mut program = Command::new(env::current_exe()?);
        program.env(VARIABLE, self.name()).stderr(log);
        if env::var_os("RUST_LOG").is_none() {
            program.env("RUST_LOG", "error");
        }
        Ok(program)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Worker => "worker",
        }
    }

    fn log(self, logs: &Path) -> PathBuf {
        logs.join(self.name()).with_extension("log")
    }
}

/// In the environment, so that a page of the API that starts this program gets the API too.
const VARIABLE: &str = "PAYMENTS_DEMO_PART";

/// The last lines of all logs, each after a colon.
pub(super) fn logs(folder: &Path) -> String {
    Part::ALL.map(|part| ending(&part.log(folder))).concat()
}

fn ending(log: &Path) -> String {
    let log = fs::read_to_string(log).unwrap_or_default();
    let mut lines: Vec<_> = log.lines().rev().take(LINES).collect();
    lines.reverse();
    match lines.is_empty() {
        true => String::new(),
        false => format!(": {}", idem_cli::printable(&lines.join(" "))),
    }
}

const LINES: usize = 3;
