//! Events from the card network: signed, and each takes effect once, however often and in whatever order they come.

use std::fmt;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use idem_axum::{
    ConsumerPolicy, Idempotency, Inbox, InvalidOperation, Message, ProcessError, Settlement, Tx,
};
use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::check;
use crate::database::Db;
use crate::object::Object;
use crate::problem::{Problem, ProblemDocument};
use crate::signature::Signature;

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/webhooks/card-network", post(receive))
}

/// Remembers the network's events.
///
/// # Errors
///
/// The consumer's name is not valid.
pub(crate) fn inbox(idem: Idempotency<Db>) -> Result<Inbox<Db>, InvalidOperation> {
    let inbox = Inbox::builder(idem).consumer(CONSUMER, ConsumerPolicy::default());
    inbox.build()
}

/// What the network says of a payment.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NetworkEvent {
    /// The same at each delivery of one event.
    #[schema(min_length = 1, max_length = 255)]
    id: String,
    #[serde(rename = "type")]
    kind: Kind,
    payment: i64,
    /// The events of a payment are numbered from one; the one with the highest number holds.
    #[schema(minimum = 1)]
    sequence: i64,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
enum Kind {
    #[serde(rename = "payment.settled")]
    Settled,
    #[serde(rename = "payment.disputed")]
    Disputed,
    #[serde(rename = "dispute.won")]
    Won,
    #[serde(rename = "dispute.lost")]
    Lost,
}

impl Kind {
    const fn status(self) -> &'static str {
        match self {
            Self::Settled | Self::Won => "settled",
            Self::Disputed => "disputed",
            Self::Lost => "reversed",
        }
    }
}

/// Takes an event of the network. It is remembered for the inbox's retention, 14 days: longer than any network repeats.
#[utoipa::path(
    post,
    path = "/webhooks/card-network",
    operation_id = "receive_network_event",
    params(("Card-Network-Signature" = String, Header, description = "`t=SECONDS,v1=HEX`: when it was signed, in seconds since 1970, and HMAC-SHA-256 of `SECONDS.BODY`.")),
    request_body = NetworkEvent,
    responses(
        (status = 204, description = "The event has taken effect, now or before."),
        (status = 400, description = "The event cannot be read.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 403, description = "It is not signed by the network, or too long ago.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 422, description = "The id was used for another event.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "Not yet: deliver it again.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(()),
)]
async fn receive(
    State(app): State<AppState>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let secret = app.webhook_secret.as_deref().ok_or(Problem::Forged)?;
    let signature = headers.get(SIGNATURE).and_then(|value| value.to_str().ok());
    let signature = signature.and_then(Signature::read).ok_or(Problem::Forged)?;
    // Before anything is read that a stranger may have written.
    signature.verify(secret.as_bytes(), &body)?;
    let Object(event): Object<NetworkEvent> =
        serde_json::from_slice(&body).map_err(|error| Problem::Invalid(error.to_string()))?;
    event.validate()?;
    let message = Message::new(event.id.as_bytes())
        .payload(&body[..])
        .fingerprint(&body);
    let done = app
        .inbox
        .process(CONSUMER, message, async |tx| event.apply(tx).await)
        .await;
    if let Err(error) = &done {
        tracing::warn!(%error, id = event.id, "an event of the card network was not handled");
    }
    match (&done, Settlement::of(&done)) {
        (Err(ProcessError::Reused { .. }), _) => Err(Problem::EventReused),
        (_, Settlement::Ack) => Ok(StatusCode::NO_CONTENT),
        (_, Settlement::Retry { .. }) => Err(Problem::Later),
    }
}

impl NetworkEvent {
    fn validate(&self) -> Result<(), Problem> {
        if !(1..=255).contains(&self.id.chars().count()) {
            return Err(Problem::Invalid("id: 1 to 255 characters".to_owned()));
        }
        if self.sequence < 1 {
            return Err(Problem::Invalid("sequence: from one".to_owned()));
        }
        check::text("id", &self.id)
    }

    /// Writes what has happened, and moves the payment on unless it is further already.
    async fn apply(&self, tx: &mut Tx<'_, Db>) -> Result<(), Failed> {
        let mut find = QueryBuilder::<Db>::new("select count(*) from payment where id = ");
        find.push_bind(self.payment);
        let found = find
            .build_query_scalar::<i64>()
            .fetch_one(&mut **tx)
            .await?;
        if found == 0 {
            return Err(Failed::NoPayment);
        }
        let mut row = QueryBuilder::<Db>::new(
            "insert into network_event (event_id, payment_id, status, sequence) values (",
        );
        row.separated(", ")
            .push_bind(self.id.as_str())
            .push_bind(self.payment)
            .push_bind(self.kind.status())
            .push_bind(self.sequence)
            .push_unseparated(")");
        row.build().execute(&mut **tx).await?;
        // An event that was overtaken changes nothing any more.
        let mut update = QueryBuilder::<Db>::new("update payment set network_status = ");
        update.push_bind(self.kind.status());
        update
            .push(", network_sequence = ")
            .push_bind(self.sequence);
        update.push(" where id = ").push_bind(self.payment);
        update
            .push(" and network_sequence < ")
            .push_bind(self.sequence);
        update.build().execute(&mut **tx).await?;
        Ok(())
    }
}

/// Why an event has no effect yet.
#[derive(Debug)]
enum Failed {
    NoPayment,
    Database(sqlx::Error),
}

impl From<sqlx::Error> for Failed {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPayment => f.write_str("there is no such payment"),
            Self::Database(error) => error.fmt(f),
        }
    }
}

const SIGNATURE: &str = "card-network-signature";

/// Names the events in the inbox.
pub(crate) const CONSUMER: &str = "card-network";
