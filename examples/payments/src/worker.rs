//! The worker: its tasks and its shutdown.

use std::error::Error;
use std::future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use idem_axum::{ConsumerPolicy, Idempotency, Inbox};
use sqlx::Pool;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::options::{Command, Options};
use crate::broker::Broker;
use crate::broker::embedded::Embedded;
#[cfg(feature = "nats")]
use crate::broker::nats::{self, Nats};
#[cfg(feature = "rabbitmq")]
use crate::broker::rabbitmq::RabbitMq;
use crate::consumer::Consumer;
use crate::database::Db;
use crate::intake::Intake;
use crate::{audit, dead_letters, inbox, mailer, program, relay, telemetry};

mod options;

/// Handles messages until the stop signal, or runs the command.
pub async fn main() -> ExitCode {
    program::log();
    program::end("worker", run(Options::parse()).await)
}

async fn run(options: Options) -> Result<(), Box<dyn Error + Send + Sync>> {
    let scheme = options.broker.split(':').next().unwrap_or_default();
    match scheme {
        #[cfg(not(feature = "nats"))]
        "nats" => Err("it was built without NATS: build it with `--features nats`".into()),
        #[cfg(not(feature = "rabbitmq"))]
        "amqp" => Err("it was built without RabbitMQ: build it with `--features rabbitmq`".into()),
        #[cfg(feature = "nats")]
        "nats" => {
            let broker = Nats::connect(&options.broker, options.ack_wait).await?;
            Worker::start(&options, Some(nats::MAX_AGE))
                .await?
                .run(options, broker)
                .await
        }
        #[cfg(feature = "rabbitmq")]
        "amqp" => {
            let broker = RabbitMq::new(&options.broker)?;
            Worker::start(&options, None)
                .await?
                .run(options, broker)
                .await
        }
        "embedded" => {
            let worker = Worker::start(&options, None).await?;
            let pool = worker.pool.clone();
            let ack_wait = options.ack_wait;
            worker.run(options, Embedded { pool, ack_wait }).await
        }
        other => Err(format!("no such broker: {other}").into()),
    }
}

struct Worker {
    pool: Pool<Db>,
    idem: Idempotency<Db>,
    inbox: Inbox<Db>,
}

impl Worker {
    async fn start(
        options: &Options,
        redelivery: Option<Duration>,
    ) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let limit = options.acquire_timeout;
        let pool = program::connect(&options.database_url, options.pool_size, limit).await?;
        let idem = Idempotency::builder(pool.clone())
            .acquire_timeout(limit)
            .build();
        idem.migrate().await?;
        idem.check().await?;
        let mut policy = ConsumerPolicy::default();
        policy.redelivery = redelivery;
        policy.retention = options.retention.unwrap_or(policy.retention);
        policy.max_attempts = options.max_attempts.unwrap_or(policy.max_attempts);
        let inbox = inbox::build(idem.clone(), policy)?;
        Ok(Self { pool, idem, inbox })
    }

    async fn run(
        self,
        options: Options,
        broker: impl Broker,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        match &options.command {
            Some(Command::DeadLetters) => dead_letters::list(&self.inbox).await,
            Some(Command::Redrive {
                consumer,
                message_id,
            }) => dead_letters::redrive(&self.inbox, &broker, consumer, message_id).await,
            Some(Command::Audit) => audit::print(&self.pool).await,
            None => self.work(&options, broker).await,
        }
    }

    async fn work(
        self,
        options: &Options,
        broker: impl Broker,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let signalled = program::stop_signal(options.stop_at_eof)?;
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        if let Some(address) = &options.metrics_listen {
            let metrics = telemetry::install()?;
            let listener = program::listen(address).await?;
            program::say(&format!(
                "metrics on http://{}/metrics",
                listener.local_addr()?
            ));
            let routes = telemetry::routes(metrics, self.idem.clone());
            let server = axum::serve(listener, routes)
                .with_graceful_shutdown(stop.clone().cancelled_owned());
            tasks.spawn(server.into_future());
        }
        tasks.spawn(relay::run(broker.clone(), self.pool.clone(), stop.clone()));
        tasks.spawn(mailer::run(
            options.mailer()?,
            self.pool.clone(),
            stop.clone(),
        ));
        let mut ready = Vec::new();
        for consumer in Consumer::ALL {
            let intake = self.intake(consumer, options, &stop);
            ready.push(intake.is_ready.subscribe());
            tasks.spawn(intake.run(broker.clone()));
        }
        let (sweeper, period) = (self.idem.clone(), options.sweep_every);
        let sweep = tokio::spawn(async move { sweeper.sweep_every(period).await });

        let all_consume = async {
            for mut is_ready in ready {
                drop(is_ready.wait_for(|is_ready| *is_ready).await);
            }
            program::say("worker: ready");
            future::pending::<()>().await;
        };
        tokio::select! {
            () = signalled => {}
            () = all_consume => {}
        }
        tracing::info!("finishing the messages that are being handled");
        stop.cancel();
        sweep.abort();
        tasks.close();
        if timeout(GRACE, tasks.wait()).await.is_err() {
            tracing::warn!("some messages were still being handled and will be redelivered");
        }
        self.idem.shutdown(GRACE).await?;
        self.pool.close().await;
        Ok(())
    }

    fn intake(&self, consumer: Consumer, options: &Options, stop: &CancellationToken) -> Intake {
        // The relay needs connections too.
        let at_once = (usize::try_from(options.pool_size).unwrap_or(MOST) / Consumer::ALL.len())
            .saturating_sub(1)
            .clamp(1, MOST);
        Intake {
            inbox: self.inbox.clone(),
            consumer,
            batch: options.batch,
            slots: Arc::new(Semaphore::new(at_once)),
            running: TaskTracker::new(),
            stop: stop.clone(),
            is_ready: watch::Sender::new(false),
        }
    }
}

/// How many messages or batches of one consumer are handled concurrently.
const MOST: usize = 8;

/// How long running messages may take to end after the signal.
const GRACE: Duration = Duration::from_secs(30);
