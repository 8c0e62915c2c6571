//! The operator's pages at `/operate`: what Idem has stored, and the changes that `payments idem` makes too.
//!
//! | file | what it has |
//! | --- | --- |
//! | `operator` | who may see them: a name, and the admin key |
//! | `overview`, `rollout` | counts, rules, and the form that sets a rule |
//! | `selection`, `records` | which records a list has, and the list |
//! | `record_name` | one record, without its key |
//! | `record`, `invalidate` | its fields, its stored response, and the form that deletes it |
//! | `dead_letters`, `dead_letter`, `redrive` | the lists, one dead letter, and the two changes |
//! | `metrics` | the panels of the dashboard, drawn of what Prometheus has |
//! | `failure`, `input`, `said`, `text`, `frame` | what all pages share |
//!
//! Each change ends with a redirect to a page, with the code of a message in its address: never with the message
//! itself, which whoever makes a link could write.

use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::time::timeout;
use tower_http::csrf::{CsrfLayer, ProtectionError};

use crate::app::AppState;
use crate::operate::failure::Failure;

mod dead_letter;
mod dead_letters;
mod failure;
mod frame;
mod input;
mod invalidate;
mod metrics;
mod operator;
mod overview;
mod record;
mod record_name;
mod records;
mod redrive;
mod rollout;
mod said;
mod selection;
mod text;

pub(crate) use self::metrics::prometheus::Prometheus;

pub(crate) fn routes() -> Router<AppState> {
    let refused = |_: ProtectionError| {
        Failure::forbidden("The form was sent by another site.").into_response()
    };
    Router::new()
        .route("/operate", get(overview::show))
        .route("/operate/rollout", post(rollout::change))
        .route("/operate/records", get(records::list))
        .route("/operate/record", get(record::show))
        .route("/operate/record/response", post(record::show_response))
        .route("/operate/record/invalidate", post(invalidate::invalidate))
        .route("/operate/metrics", get(metrics::show))
        .route("/operate/dead-letters", get(dead_letters::list))
        .route("/operate/dead-letter", get(dead_letter::show))
        .route("/operate/dead-letter/payload", post(dead_letter::show_payload))
        .route("/operate/dead-letter/redrive", post(redrive::redrive))
        .route("/operate/dead-letter/discard", post(redrive::discard))
        // The browser adds the operator's key to each request, whichever site has made it.
        .layer(CsrfLayer::new().with_rejection_response(refused))
        .layer(from_fn(in_time))
}

/// Ends a request whose database accepts a statement and then says nothing. What it has begun to change goes on.
async fn in_time(request: Request, next: Next) -> Response {
    match timeout(LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failure::timed_out().into_response(),
    }
}

/// How long the database may take. A large table is counted in this time too.
const LIMIT: Duration = Duration::from_secs(20);
