//! The page at `/`: a client that retries, and what is in the database meanwhile.
//!
//! [`visitor`] sends real requests to this API, over HTTP, and writes down in the [`story`] what came back. [`stored`]
//! reads what the database has for them, and [`view`] shows both. [`live`] sends that part of the page again whenever
//! it changes; however many look at it, it is made once.

mod api;
mod code;
mod live;
mod nearby;
mod stored;
mod story;
mod view;
mod visitor;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::{env, fmt, io};

use axum::Router;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use tokio::sync::{Mutex, Semaphore};
use tokio_util::sync::CancellationToken;
use tower_http::csrf::CsrfLayer;

use crate::app::AppState;
use crate::home::live::Shown;
use crate::home::nearby::is_nearby;
use crate::home::story::{Action, Stories};
use crate::home::visitor::{Victim, Visitor};
use crate::problem::Problem;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        // Who may press a button is who is on this page: it acts for a tenant.
        .route("/try", post(press).layer(CsrfLayer::new()))
        .route("/", get(show))
        .route("/live", get(live::follow))
        .route("/code/{file}", get(code::show))
}

/// What the page knows. It is gone when the process ends; the payments are not.
#[derive(Clone)]
pub(crate) struct Home(Arc<Parts>);

struct Parts {
    visitor: Visitor,
    stories: Stories,
    shown: Mutex<Option<Shown>>,
    presses: Semaphore,
    viewers: Arc<Semaphore>,
    stopping: CancellationToken,
}

/// How many buttons are answered at the same time.
const PRESSES: usize = 4;
/// How many pages are told what changes.
const VIEWERS: usize = 64;

/// What the page needs of how the API was started.
pub(crate) struct Options {
    pub(crate) address: SocketAddr,
    pub(crate) database_url: String,
    pub(crate) rollout: String,
}

impl Options {
    /// An address to connect to, where the API listens on all of them.
    pub(crate) fn reachable(&self) -> SocketAddr {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            });
        }
        address
    }
}

impl Home {
    /// Streams end when the token is cancelled, else an open page would keep the process alive.
    ///
    /// # Errors
    ///
    /// This machine can make no client.
    pub(crate) fn new(options: &Options, stopping: CancellationToken) -> io::Result<Self> {
        // See `nearby` for who else must not start processes.
        let victim = match options.address.ip().is_loopback() {
            true => Some(Victim {
                program: env::current_exe()?,
                database_url: options.database_url.clone(),
                rollout: options.rollout.clone(),
            }),
            false => None,
        };
        let visitor = Visitor::new(options.reachable(), victim).map_err(io::Error::other)?;
        Ok(Self(Arc::new(Parts {
            visitor,
            stories: Stories::default(),
            shown: Mutex::default(),
            presses: Semaphore::new(PRESSES),
            viewers: Arc::new(Semaphore::new(VIEWERS)),
            stopping,
        })))
    }
}

impl Home {
    /// Whether who sends these headers may have a process killed.
    fn may_kill(&self, headers: &HeaderMap) -> bool {
        self.0.visitor.has_victim() && is_nearby(headers)
    }
}

impl fmt::Debug for Home {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Home").finish_non_exhaustive()
    }
}

async fn show(State(app): State<AppState>, headers: HeaderMap) -> Result<Response, Problem> {
    view::page(&app, app.home.may_kill(&headers)).await
}

/// A button of the page.
#[derive(Debug, Deserialize)]
struct Press {
    button: Action,
    /// In cents.
    amount: i64,
}

/// Does what the button says, and shows the page when the answers are there.
async fn press(
    State(app): State<AppState>,
    headers: HeaderMap,
    Form(press): Form<Press>,
) -> Result<Response, Problem> {
    let Home(home) = &app.home;
    if press.button == Action::Crash && !app.home.may_kill(&headers) {
        let refused = "Only who sits at the machine of this API has one of its processes killed.";
        return Ok((StatusCode::FORBIDDEN, refused).into_response());
    }
    let Ok(_press) = home.presses.try_acquire() else {
        let busy = "Others press buttons too: try again.";
        return Ok((StatusCode::SERVICE_UNAVAILABLE, busy).into_response());
    };
    let since = stored::newest_payment(&app).await?;
    home.stories.begin_after(since);
    home.visitor
        .act(&home.stories, press.button, press.amount)
        .await;
    Ok(Redirect::to("/").into_response())
}
