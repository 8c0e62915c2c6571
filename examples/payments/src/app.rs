//! The API: its options, its routes, how it serves and stops.

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use clap::builder::NonEmptyStringValueParser;
use clap::{Parser, Subcommand};
use idem_axum::{HasIdempotency, HttpOptions, Idempotency, Inbox, RolloutPlan};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::auth::Tenant;
use crate::database::{self, Db};
use crate::home::{self, Home};
use crate::network::CardNetwork;
use crate::operate::{self, Prometheus};
#[cfg(feature = "client")]
use crate::pay;
use crate::program;
use crate::{
    admin, headers, health, layout, openapi, payments, problem_pages, refunds, telemetry, webhooks,
};
use crate::{inventory, notifications, orders, subscriptions};

/// The options from the command line and the environment.
#[derive(Parser)]
#[command(about = "A payments API whose writes are safe to retry")]
struct Options {
    /// The address to listen on; port 0 takes a free one.
    #[arg(long, env = "PAYMENTS_LISTEN", default_value = "127.0.0.1:8080")]
    listen: String,
    /// The database; an SQLite file is created when it is missing.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, default_value = database::DEFAULT_URL)]
    database_url: String,
    /// How many connections the pool holds at most.
    #[arg(long, env = "PAYMENTS_POOL_SIZE", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pool_size: u32,
    /// How long to wait for a connection, and for the database's answer to a read, such as `5s`.
    #[arg(long, global = true, env = "PAYMENTS_ACQUIRE_TIMEOUT", default_value = "5s", value_parser = program::wait)]
    acquire_timeout: Duration,
    /// The prefix of Idem's problem types: the address of `/problems/` for clients.
    #[arg(long, env = "PAYMENTS_PROBLEM_BASE")]
    problem_base: Option<String>,
    /// The rollout plan of the attribute, such as `*=observe; POST /payments=enforce`.
    #[arg(long, env = "PAYMENTS_ROLLOUT", default_value = "enforce")]
    rollout: RolloutPlan,
    /// How often to read the rollout table, such as `5s`.
    #[arg(long, default_value = "5s", value_parser = humantime::parse_duration)]
    rollout_every: Duration,
    /// The key of the operator, who has the pages at /operate and may change the rollout of all nodes.
    #[arg(long, env = "PAYMENTS_ADMIN_KEY", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    admin_key: Option<String>,
    /// The worker's broker. A message that is redriven at /operate is published again only where it is `embedded`.
    #[arg(
        long,
        env = "PAYMENTS_BROKER",
        hide_env_values = true,
        default_value = "embedded"
    )]
    broker: String,
    /// The address of the card network that charges `tok_network_*`, such as `http://127.0.0.1:8090`.
    #[arg(long, env = "PAYMENTS_CARD_NETWORK")]
    card_network: Option<String>,
    /// The Prometheus that scrapes this API, such as `http://localhost:9090`: /operate/metrics draws what it has.
    #[arg(long, env = "PAYMENTS_PROMETHEUS")]
    prometheus: Option<String>,
    /// The secret that the card network signs its webhooks with; without one they are refused.
    #[arg(long, env = "PAYMENTS_WEBHOOK_SECRET", hide_env_values = true, value_parser = NonEmptyStringValueParser::new())]
    webhook_secret: Option<String>,
    /// Stops when standard input ends: a process that another one has started must not outlive it.
    #[arg(long, hide = true)]
    stop_at_eof: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Idem's own commands: tables, records, dead letters, rollout.
    #[command(after_help = idem_cli::EXIT_CODES)]
    Idem(idem_cli::Arguments),
    /// Makes one payment at a running API, once, whatever the network does.
    #[cfg(feature = "client")]
    #[command(after_help = pay::EXIT_CODES)]
    Pay(pay::Payment),
}

/// The state that handlers share. A handler's `scope = "tenant"` is the extractor [`Tenant`].
#[derive(Clone, HasIdempotency)]
#[scopes(tenant = Tenant)]
pub(crate) struct AppState {
    pub(crate) idem: Idempotency<Db>,
    pub(crate) admin_key: Option<Arc<str>>,
    /// Whether the worker's broker is the table in this database.
    pub(crate) is_broker_embedded: bool,
    /// Handles each event of the card network once.
    pub(crate) inbox: Inbox<Db>,
    pub(crate) webhook_secret: Option<Arc<str>>,
    pub(crate) network: Option<CardNetwork>,
    pub(crate) home: Home,
    pub(crate) prometheus: Option<Prometheus>,
}

/// Serves until it is told to stop.
pub async fn main() -> ExitCode {
    program::log();
    let options = Options::parse();
    match &options.command {
        Some(Command::Idem(arguments)) => run_command(&options, arguments).await,
        #[cfg(feature = "client")]
        Some(Command::Pay(payment)) => pay::run(payment).await,
        None => program::end("payments", run(options).await),
    }
}

/// Runs one of Idem's commands. They need no tables of the API, and migrate only if told to.
async fn run_command(options: &Options, arguments: &idem_cli::Arguments) -> ExitCode {
    let limit = options.acquire_timeout;
    match program::open(&options.database_url, options.pool_size, limit).await {
        Ok(pool) => idem_cli::run(&Inbox::new(Idempotency::new(pool)), arguments).await,
        Err(error) => program::end("payments", Err(error)),
    }
}

async fn run(options: Options) -> Result<(), Box<dyn Error + Send + Sync>> {
    let metrics = telemetry::install()?;
    let limit = options.acquire_timeout;
    let pool = program::connect(&options.database_url, options.pool_size, limit).await?;
    let rollout = options.rollout.to_string();
    let mut idem = Idempotency::builder(pool.clone())
        .acquire_timeout(limit)
        .rollout(options.rollout)
        .challenge("Bearer realm=\"payments\"".parse()?)
        .policy_url(openapi::POLICY);
    if let Some(base) = &options.problem_base {
        idem = idem.problem_base(base);
    }
    let idem = idem.build();
    idem.migrate().await?;
    idem.check().await?;
    // Before the first request: the table overrides the command line.
    idem.read_rollout().await?;
    let listener = program::listen(&options.listen).await?;
    let address = listener.local_addr()?;
    program::say(&format!("listening on http://{address}"));
    let stopping = CancellationToken::new();
    let home = home::Options {
        address,
        database_url: options.database_url,
        rollout,
    };
    program::say(&format!("see it at http://{}/", home.reachable()));

    let sweeper = idem.clone();
    let sweep = tokio::spawn(async move { sweeper.sweep_every(Duration::from_secs(60)).await });
    let (follower, period) = (idem.clone(), options.rollout_every);
    let follow = tokio::spawn(async move { follower.follow_rollout(period).await });
    let state = AppState {
        idem: idem.clone(),
        admin_key: options.admin_key.map(Arc::from),
        is_broker_embedded: options.broker.starts_with("embedded"),
        inbox: webhooks::inbox(idem.clone())?,
        webhook_secret: options.webhook_secret.map(Arc::from),
        network: options
            .card_network
            .as_deref()
            .map(CardNetwork::at)
            .transpose()?,
        prometheus: options
            .prometheus
            .as_deref()
            .map(Prometheus::at)
            .transpose()?,
        home: Home::new(&home, stopping.clone())?,
    };
    let app = Router::new()
        .merge(home::routes())
        .merge(operate::routes())
        .merge(layout::routes())
        .merge(payments::routes())
        .merge(refunds::routes())
        .merge(orders::routes())
        .merge(subscriptions::routes())
        .merge(notifications::routes())
        .merge(inventory::routes())
        .merge(webhooks::routes())
        .merge(health::routes())
        .merge(admin::routes())
        .merge(problem_pages::routes())
        .merge(openapi::routes(&idem)?)
        .merge(telemetry::routes(metrics, idem.clone()))
        .layer(map_response(headers::set))
        .with_state(state);
    let stop = program::stop_signal(options.stop_at_eof)?;
    serve(listener, app, stop, &stopping).await?;

    sweep.abort();
    follow.abort();
    // Attempts whose clients have hung up are still running; axum does not know them.
    idem.shutdown(GRACE).await?;
    pool.close().await;
    Ok(())
}

/// How long requests, and then attempts, may take to end after the signal.
const GRACE: Duration = Duration::from_secs(30);

/// Serves until it is told to stop, then lets open requests end within a grace period.
async fn serve(
    listener: TcpListener,
    app: Router,
    signalled: impl Future<Output = ()>,
    stopping: &CancellationToken,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let server = axum::serve(listener, app).with_graceful_shutdown(async move {
        // The sender is dropped when the signal arrives.
        drop(stopped.await);
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        ended = &mut server => return Ok(ended??),
        () = signalled => {}
    }
    tracing::info!("finishing the requests that are running");
    drop(stop);
    stopping.cancel();
    if timeout(GRACE, &mut server).await.is_err() {
        tracing::warn!("some requests were still open and are cut off");
    }
    Ok(())
}
