//! Start and end of both programs.

use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::pending;
use sqlx::Pool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use crate::database::{self, Db};

/// Logs to standard error, filtered by `RUST_LOG`.
pub(crate) fn log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        // It would say so on the same standard error, and panic.
        .log_internal_errors(false)
        .init();
}

/// Reads how long to wait for something: above zero, and at most an hour.
pub(crate) fn wait(text: &str) -> Result<Duration, String> {
    match time(text)? {
        // A connection of the pool is awaited until an instant, which must exist.
        time if time > LONGEST => Err("nobody waits for longer than an hour".to_owned()),
        time => Ok(time),
    }
}

const LONGEST: Duration = Duration::from_secs(3_600);

/// Reads a duration above zero, such as `5s` or `500ms`.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => Err("nothing happens in no time".to_owned()),
        Ok(time) => Ok(time),
        Err(error) => Err(error.to_string()),
    }
}

/// Opens the database and brings its tables up to date.
pub(crate) async fn connect(
    url: &str,
    size: u32,
    acquire_timeout: Duration,
) -> Result<Pool<Db>, Box<dyn Error + Send + Sync>> {
    let connected = database::connect(url, size, acquire_timeout).await;
    connected.map_err(|error| unusable(&*error))
}

/// Opens the database without a migration, for commands that only read.
pub(crate) async fn open(
    url: &str,
    size: u32,
    acquire_timeout: Duration,
) -> Result<Pool<Db>, Box<dyn Error + Send + Sync>> {
    let opened = database::open(url, size, acquire_timeout).await;
    opened.map_err(|error| unusable(&*error))
}

fn unusable(error: &dyn Error) -> Box<dyn Error + Send + Sync> {
    format!("the database cannot be used: {}", on_one_line(error)).into()
}

/// Listens, with the address in the error.
pub(crate) async fn listen(address: &str) -> Result<TcpListener, Box<dyn Error + Send + Sync>> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| format!("cannot listen on {address}: {error}").into())
}

/// Waits for Ctrl-C or SIGTERM, from now on, or also for the end of standard input.
pub(crate) fn stop_signal(
    at_eof: bool,
) -> Result<impl Future<Output = ()>, Box<dyn Error + Send + Sync>> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    let ended = match at_eof {
        true => end_of_input().boxed(),
        false => pending().boxed(),
    };
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            () = ended => {}
        }
    })
}

/// Reads standard input on a thread that nothing waits for: on the runtime's own, its end would.
async fn end_of_input() {
    let (end, ended) = oneshot::channel::<()>();
    std::thread::spawn(move || {
        drop(io::copy(&mut io::stdin(), &mut io::sink()));
        drop(end);
    });
    drop(ended.await);
}

/// Prints a line of the program's output that it goes on without, such as its address.
pub(crate) fn say(line: &str) {
    drop(writeln!(io::stdout(), "{line}"));
}

/// Prints in one line what cannot be used: an address, a database.
pub(crate) fn end(name: &str, ended: Result<(), Box<dyn Error + Send + Sync>>) -> ExitCode {
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let text = on_one_line(&*error);
            drop(writeln!(
                io::stderr(),
                "{name}: {}",
                idem_cli::printable(&text)
            ));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes, which say what to fix.
pub(crate) fn on_one_line(error: &dyn Error) -> String {
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
