//! The commands, each of which ends with an exit code.

use std::process::ExitCode;

use idem_core::{Backend, CheckError, Error, Inbox};

use crate::arguments::{Arguments, Command};
use crate::failure::Failure;

mod dead_letters;
mod records;
mod rollout;
mod schema;

/// Runs a command on the database of an inbox, and returns the exit code.
///
/// It prints results to standard output, and errors and questions to standard error;
/// [`EXIT_CODES`](crate::EXIT_CODES) says what the codes mean. The inbox's policies decide how long a
/// discarded message stays suppressed; a service without messages makes one by
/// [`Inbox::new`](idem_core::Inbox::new).
///
/// # Cancellation
///
/// Dropping it leaves a change either made or not made, but does not say which.
pub async fn run<DB: Backend>(inbox: &Inbox<DB>, arguments: &Arguments) -> ExitCode {
    let (idem, output) = (inbox.idempotency(), arguments.output());
    let done = match &arguments.command {
        Command::Migrate(migrate) => schema::migrate(idem, migrate, output).await,
        Command::Check => schema::check(idem, output).await,
        Command::Records(command) => records::run(idem, command, output).await,
        Command::DeadLetters(command) => dead_letters::run(inbox, command, output).await,
        Command::Rollout(command) => rollout::run(idem, command, output).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => explain(inbox, failure).await.report(),
    }
}

/// Says instead what is missing, if a statement has failed for that.
///
/// The check comes afterwards and not before: an account that may only read is enough for a list.
async fn explain<DB: Backend>(inbox: &Inbox<DB>, failure: Failure) -> Failure {
    let Failure::Failed(error) = &failure else {
        return failure;
    };
    let is_of_statement = matches!(
        error.downcast_ref(),
        Some(Error::Unavailable(sqlx::Error::Database(_)))
    );
    match is_of_statement {
        true => match inbox.idempotency().check().await {
            Err(missing @ CheckError::NotReady(_)) => schema::not_ready(missing),
            _ => failure,
        },
        false => failure,
    }
}
