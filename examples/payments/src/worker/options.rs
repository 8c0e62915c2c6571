//! The worker's options from the command line and the environment.

use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::mailer::Mailer;
use crate::{database, program};

/// The options, and a command if there is one.
#[derive(Parser)]
#[command(about = "Books the events of payments, each once")]
pub(super) struct Options {
    /// The database of the app; an SQLite file is created when it is missing.
    #[arg(long, global = true, env = "DATABASE_URL", hide_env_values = true, default_value = database::DEFAULT_URL)]
    pub(super) database_url: String,
    /// How many connections the pool holds at most.
    #[arg(long, global = true, env = "PAYMENTS_POOL_SIZE", default_value_t = 10, value_parser = clap::value_parser!(u32).range(2..))]
    pub(super) pool_size: u32,
    /// How long to wait for a connection, such as `5s`.
    #[arg(long, global = true, env = "PAYMENTS_ACQUIRE_TIMEOUT", default_value = "5s", value_parser = program::wait)]
    pub(super) acquire_timeout: Duration,
    /// `embedded`, `nats://host:port` or `amqp://user:password@host:port/vhost`.
    #[arg(
        long,
        global = true,
        env = "PAYMENTS_BROKER",
        hide_env_values = true,
        default_value = "embedded"
    )]
    pub(super) broker: String,
    /// After what time without an answer a message is redelivered, such as `30s` or `500ms`.
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    pub(super) ack_wait: Duration,
    /// The maximum number of messages in one transaction.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) batch: u16,
    /// How long a handled message is remembered, such as `14d`.
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(super) retention: Option<Duration>,
    /// After how many failed attempts a message becomes a dead letter.
    #[arg(long)]
    pub(super) max_attempts: Option<u32>,
    /// How often expired records are deleted and dead letters are counted, as `60s`.
    #[arg(long, default_value = "60s", value_parser = program::time)]
    pub(super) sweep_every: Duration,
    /// The address that serves the metrics; port 0 takes a free one.
    #[arg(long, env = "PAYMENTS_METRICS_LISTEN")]
    pub(super) metrics_listen: Option<String>,
    /// Where notifications are posted; without it they are written to the log.
    #[arg(long, env = "PAYMENTS_MAILER")]
    pub(super) mailer: Option<String>,
    /// Stops when standard input ends: a process that another one has started must not outlive it.
    #[arg(long, hide = true)]
    pub(super) stop_at_eof: bool,
    #[command(subcommand)]
    pub(super) command: Option<Command>,
}

impl Options {
    /// Where notifications go.
    ///
    /// # Errors
    ///
    /// No client can be made on this machine.
    pub(super) fn mailer(&self) -> reqwest::Result<Mailer> {
        match &self.mailer {
            Some(url) => Mailer::at(url),
            None => Ok(Mailer::Log),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Lists messages that failed too often: consumer, message id, attempts, error.
    DeadLetters,
    /// Redrives such a message to its consumer.
    Redrive {
        consumer: String,
        message_id: String,
    },
    /// Counts payments and the effects of their events.
    Audit,
}
