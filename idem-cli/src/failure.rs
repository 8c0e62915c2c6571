//! Why a command has not done what it was asked for, and its exit code.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use idem_core::{CheckError, MigrateError};

use crate::output::hint;

/// What the exit codes mean, for the end of a help text.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done; a list may be empty
  1  failed: the database cannot be reached, lacks the tables, or refuses;
     or the output cannot be written, and then it says what has changed
  2  wrong usage: an option, a name, a URL; the database was not changed
  3  no: nothing was found, `check` found something missing, or nothing was changed
     because an attempt runs, several entries match, or nobody confirmed";

/// The output of a change that was made. It is no closed pipe of a reader who has seen enough: nobody was told.
#[derive(Debug, thiserror::Error)]
#[error("{changed}, but the output cannot be written")]
struct Unwritten {
    /// What has changed, such as `1 record was erased`.
    changed: String,
    source: io::Error,
}

/// The end of a command that has not succeeded.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The database or the output has failed.
    Failed(Box<dyn Error + Send + Sync>),
    /// The command line is wrong.
    Usage(String),
    /// The answer is no, and nothing has changed.
    No(String),
}

impl Failure {
    /// Wraps what is wrong with an argument.
    pub(crate) fn usage(error: &impl ToString) -> Self {
        Self::Usage(error.to_string())
    }

    /// The output cannot be written, and this has changed.
    pub(crate) fn after(changed: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let changed = changed.into();
        move |source| Self::Failed(Unwritten { changed, source }.into())
    }

    /// Says on standard error what went wrong, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        let (text, code) = match self {
            // Whoever reads the output has seen enough, as `head` does.
            Self::Failed(error) if is_closed_pipe(&**error) => return ExitCode::SUCCESS,
            Self::Failed(error) => (on_one_line(&**error), 1),
            Self::Usage(text) => (text.clone(), 2),
            Self::No(text) => (text.clone(), 3),
        };
        hint(&text);
        ExitCode::from(code)
    }
}

fn is_closed_pipe(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

impl From<idem_core::Error> for Failure {
    fn from(error: idem_core::Error) -> Self {
        Self::Failed(error.into())
    }
}

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<MigrateError> for Failure {
    fn from(error: MigrateError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.into())
    }
}

/// An error with its causes, which say what to fix.
fn on_one_line(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        // Some errors repeat their cause in their own text.
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_a_success_only_where_nothing_has_changed() {
        let closed = || io::Error::from(io::ErrorKind::BrokenPipe);
        for (failure, is_success) in [
            (Failure::from(closed()), true),
            (Failure::after("1 record erased")(closed()), false),
        ] {
            let Failure::Failed(error) = failure else {
                panic!("{failure:?}")
            };
            assert_eq!(is_closed_pipe(&*error), is_success, "{error}");
        }
    }
}
