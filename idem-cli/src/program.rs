//! The program `idem`: its options, its log, its start.

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::arguments::{Arguments, EVERYWHERE};
use crate::connect::{Target, connect_and_run};
use crate::failure::EXIT_CODES;

/// Shows and changes what Idem has stored in a database.
#[derive(Parser)]
#[command(name = "idem", version, after_help = EXIT_CODES)]
struct Program {
    /// The database: postgres://…, mysql://… or sqlite://…, with a password from the environment
    /// rather than from here, where other users of the machine see it.
    #[arg(
        long,
        global = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        help_heading = EVERYWHERE
    )]
    database_url: Option<String>,
    /// How long to wait for a connection: at most an hour.
    #[arg(
        long,
        global = true,
        default_value = "10s",
        value_parser = wait,
        help_heading = EVERYWHERE
    )]
    connect_timeout: Duration,
    #[command(flatten)]
    arguments: Arguments,
}

/// Runs the program `idem` with the arguments of this process.
///
/// It installs a subscriber of `tracing` that logs to standard error: warnings, or what `RUST_LOG` says,
/// and always the lines of the target `idem::audit`.
///
/// # Cancellation
///
/// Dropping it leaves a change either made or not made, but does not say which.
pub async fn main() -> ExitCode {
    let program = Program::parse();
    log();
    let target = Target {
        database_url: program.database_url.as_deref(),
        connect_timeout: program.connect_timeout,
        arguments: &program.arguments,
    };
    match connect_and_run(&target).await {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

/// Reads a duration that ends, such as `5s`.
fn wait(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(time) if time > LONGEST => Err("nobody waits for longer than an hour".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

/// A connection of the pool is awaited until an instant, which must exist.
const LONGEST: Duration = Duration::from_secs(3_600);

fn log() {
    let wanted = std::env::var("RUST_LOG").unwrap_or_default();
    let filter = match wanted.parse::<Targets>() {
        Ok(filter) if !wanted.is_empty() => filter,
        _ => Targets::new().with_default(Level::WARN),
    };
    let lines = tracing_subscriber::fmt::layer()
        // It would say so on the same standard error, and panic.
        .log_internal_errors(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    tracing_subscriber::registry()
        // Whoever turns the log off must not turn the audit off.
        .with(filter.with_target("idem::audit", Level::WARN))
        .with(lines)
        .init();
}
