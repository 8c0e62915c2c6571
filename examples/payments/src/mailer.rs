//! The worker's mailer: sends each queued notification, with a key by which its service knows a repetition.

use std::time::Duration;

use sqlx::{Pool, QueryBuilder};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::back_off::BackOff;
use crate::broker::BrokerError;
use crate::database::Db;

/// Where notifications go.
#[derive(Clone, Debug)]
pub(crate) enum Mailer {
    /// Into the worker's log.
    Log,
    /// To a service, by `POST` with an `Idempotency-Key`.
    Service {
        url: String,
        client: reqwest::Client,
    },
}

/// A notification that waits.
#[derive(Debug, sqlx::FromRow)]
struct Queued {
    id: i64,
    send_key: String,
    recipient: String,
    text: String,
}

/// Runs until the stop, even if the service or the database goes away.
///
/// No connection is held while the service answers. A worker that dies between the answer and its note that all is
/// sent, and two workers that take the same row, send the same key again, and the service sends nothing twice.
pub(crate) async fn run(mailer: Mailer, pool: Pool<Db>, stop: CancellationToken) {
    let mut back_off = BackOff::new();
    while !stop.is_cancelled() {
        match send_next(&mailer, &pool).await {
            Ok(true) => back_off.reset(),
            Ok(false) => {
                stop.run_until_cancelled(sleep(POLL)).await;
            }
            Err(error) => {
                tracing::warn!(error, "notifications stay queued for now");
                back_off.pause(&stop).await;
            }
        }
    }
}

/// Sends the oldest notification that waits; false if none does.
async fn send_next(mailer: &Mailer, pool: &Pool<Db>) -> Result<bool, BrokerError> {
    let next = "select id, send_key, recipient, text from notification \
        where status = 'queued' order by id limit 1";
    let next = sqlx::query_as::<_, Queued>(next)
        .fetch_optional(pool)
        .await?;
    let Some(next) = next else { return Ok(false) };
    let status = match mailer.send(&next).await? {
        Sending::Sent => "sent",
        Sending::Refused => "refused",
    };
    let mut done = QueryBuilder::<Db>::new("update notification set status = ");
    done.push_bind(status)
        .push(" where id = ")
        .push_bind(next.id);
    done.build().execute(pool).await?;
    Ok(true)
}

/// What the service has answered.
enum Sending {
    Sent,
    /// It will not, however often it is asked.
    Refused,
}

impl Mailer {
    /// A service at this address.
    ///
    /// # Errors
    ///
    /// No client can be made on this machine.
    pub(crate) fn at(url: &str) -> reqwest::Result<Self> {
        // Behind a redirection the request would become a `GET`, whose success sends nothing.
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        Ok(Self::Service {
            url: url.to_owned(),
            client: client.build()?,
        })
    }

    async fn send(&self, queued: &Queued) -> Result<Sending, BrokerError> {
        let Queued {
            send_key,
            recipient,
            text,
            ..
        } = queued;
        match self {
            Self::Log => {
                tracing::info!(recipient, send_key, text, "sent");
                Ok(Sending::Sent)
            }
            Self::Service { url, client } => {
                let mail = serde_json::json!({ "recipient": recipient, "text": text });
                let request = client.post(url).header("idempotency-key", send_key);
                let request = request.header("content-type", "application/json");
                let sent = request
                    .timeout(PATIENCE)
                    .body(mail.to_string())
                    .send()
                    .await?;
                match sent.status().as_u16() {
                    200..300 => Ok(Sending::Sent),
                    // The first try still runs there, or there are too many at once.
                    408 | 409 | 425 | 429 => Err(format!("not yet: {}", sent.status()).into()),
                    400..500 => {
                        tracing::error!(send_key, status = %sent.status(), "refused");
                        Ok(Sending::Refused)
                    }
                    _ => Err(format!("the service answers {}", sent.status()).into()),
                }
            }
        }
    }
}

const POLL: Duration = Duration::from_millis(100);

/// How long to wait for the service's answer.
const PATIENCE: Duration = Duration::from_secs(10);
