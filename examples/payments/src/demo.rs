//! The whole story in one command: clients that retry, an API and a worker that are killed, and what was paid.
//!
//! `parts` starts the API and the worker, `clients` send the `order`s and count the answers in a `tally`, and
//! `crash` kills what runs meanwhile. `truth` then reads the database, and `report` says whether it is as promised.

mod broker;
mod clients;
mod crash;
mod nats;
mod order;
mod part;
mod parts;
mod progress;
mod report;
mod tally;
mod truth;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use futures_util::FutureExt;
use idem_axum::RolloutPlan;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::timeout;

use self::broker::Broker;
use self::clients::Clients;
use self::order::Orders;
use self::part::Part;
use self::parts::Parts;
use self::progress::Progress;
use self::tally::Tally;
use crate::{app, database, program, worker};

/// The options from the command line and the environment.
#[derive(Parser)]
#[command(
    about = "Starts the API and its worker, pays with retries, hang-ups and kill -9, and counts what was paid"
)]
struct Options {
    /// How many payments are made, each with a key of its own.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    payments: u32,
    /// How often API and worker are killed; there must be as many payments.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(..=100))]
    kills: u32,
    /// The rollout plan of the API: with `off`, payments are made twice.
    #[arg(long, default_value = "enforce")]
    rollout: RolloutPlan,
    /// The worker's broker, such as `nats://localhost:4222`. Without it, a build with NATS starts one if it is installed;
    /// else it is the table `embedded`.
    #[arg(long, env = "PAYMENTS_BROKER", hide_env_values = true)]
    broker: Option<String>,
    /// The database. Without it, SQLite has a new file, which is removed in the end.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// Plays the story, or the part that another `demo` has started this process for.
///
/// `cargo run --bin demo` builds neither the API nor the worker as programs of their own, so this one is all three.
pub async fn main() -> ExitCode {
    match Part::of_this_process() {
        Some(Part::Api) => app::main().await,
        Some(Part::Worker) => worker::main().await,
        None => match run(Options::parse()).await {
            Ok(ended) => ended,
            Err(error) => program::end("demo", Err(error)),
        },
    }
}

async fn run(options: Options) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let stop = program::stop_signal(false)?;
    let orders = Orders::new(options.payments, options.kills)?;
    let folder = TempDir::with_prefix("payments-demo-")?;
    let broker = Broker::start(options.broker, folder.path()).await?;
    let mut parts = Parts::new(parts::Options {
        database_url: options.database_url.unwrap_or_else(|| in_folder(&folder)),
        rollout: options.rollout.to_string(),
        broker: broker.url().to_owned(),
        logs: folder.path().to_owned(),
    })?;
    let ended = tokio::select! {
        is_as_promised = play(&mut parts, &orders) => is_as_promised.map(|is_as_promised| match is_as_promised {
            true => ExitCode::SUCCESS,
            false => ExitCode::FAILURE,
        }),
        () = stop => Ok(ExitCode::from(INTERRUPTED)),
    };
    // First the processes: they would leave something behind in the folder.
    let stopped = parts.kill().await.and(broker.stop().await);
    let cleared = stopped.and_then(|()| folder.close());
    let ended = ended?;
    cleared?;
    Ok(ended)
}

/// What shells say of a program that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

/// A database of this run alone, where the database is a file.
fn in_folder(folder: &TempDir) -> String {
    match database::DEFAULT_URL.strip_prefix("sqlite://") {
        Some(file) => format!("sqlite://{}", folder.path().join(file).display()),
        None => database::DEFAULT_URL.to_owned(),
    }
}

/// Starts, pays, kills, waits for the worker, and says whether each payment was made and booked once.
async fn play(parts: &mut Parts, orders: &Orders) -> Result<bool, Box<dyn Error + Send + Sync>> {
    let progress = Progress::new(orders.len())?;
    parts.start().await?;
    let url = parts.url();
    let broker = parts.broker();
    progress.step(&format!(
        "the API listens on {url}/, the worker has its events from {broker}"
    ));
    let pool = program::open(parts.database_url(), 2, PATIENCE).await?;
    let clients = Clients::new(&url)?;
    let traffic = async {
        let killed = crash::now_and_then(parts, &clients, orders, &progress);
        tokio::try_join!(killed, clients.pay_all(&orders.usual).map(Ok))
    };
    tokio::select! {
        ended = traffic => drop(ended?),
        never = progress.follow(clients.tally()) => match never {},
        // The verdict names the keys.
        () = stall(clients.tally()) => progress.step(&format!("no final answer for {PATIENCE:?}{}", parts.logs())),
    }
    let truth = truth::when_booked(&pool, orders, &progress).await?;
    progress.end();
    let is_as_promised = report::print(&clients.tally().borrow(), orders, &truth)?;
    pool.close().await;
    Ok(is_as_promised)
}

/// Returns when nothing has been settled for too long.
async fn stall(mut tally: watch::Receiver<Tally>) {
    loop {
        let settled = tally.borrow().settled.len();
        let more = tally.wait_for(|tally| tally.settled.len() > settled);
        if timeout(PATIENCE, more).await.is_err() {
            return;
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
