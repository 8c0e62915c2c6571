//! The stream that tells an open page what has changed.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{Stream, unfold};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, timeout};

use crate::app::AppState;
use crate::home::story::Story;
use crate::home::{Home, view};
use crate::problem::Problem;

/// How often to look at the database: a handler may go on after its client has gone.
const PERIOD: Duration = Duration::from_millis(500);

/// The part of the page that changes, as it was a moment ago.
pub(super) struct Shown {
    html: Arc<str>,
    version: u64,
    made: Instant,
}

/// The part of the page that changes. All who ask within one period get the same, unless a button was pressed.
///
/// # Errors
///
/// The database does not answer within the pool's acquire timeout.
pub(super) async fn now(app: &AppState) -> Result<Arc<str>, Problem> {
    let limit = app.idem.pool().options().get_acquire_timeout();
    // The wait for those who asked before counts too, else they would wait for each other.
    let made = timeout(limit, make(app)).await;
    made.unwrap_or(Err(Problem::Unavailable(None)))
}

async fn make(app: &AppState) -> Result<Arc<str>, Problem> {
    let Home(home) = &app.home;
    let mut shown = home.shown.lock().await;
    let story = home.stories.now();
    if let Some(shown) = &*shown
        && shown.version == story.version
        && shown.made.elapsed() < PERIOD
    {
        return Ok(Arc::clone(&shown.html));
    }
    let html: Arc<str> = view::story(app, &story).await?.into_string().into();
    *shown = Some(Shown {
        html: Arc::clone(&html),
        version: story.version,
        made: Instant::now(),
    });
    Ok(html)
}

struct Viewer {
    app: AppState,
    changes: watch::Receiver<Story>,
    shown: Arc<str>,
    _place: OwnedSemaphorePermit,
}

/// Sends the changing part of the page whenever it changes, until the page is closed or the API stops.
pub(super) async fn follow(
    State(app): State<AppState>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, StatusCode> {
    let Home(home) = &app.home;
    let place = home.viewers.clone().try_acquire_owned();
    let place = place.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let viewer = Viewer {
        changes: home.stories.follow(),
        app: app.clone(),
        shown: Arc::default(),
        _place: place,
    };
    let events = unfold(viewer, async |mut viewer| {
        let event = viewer.next().await?;
        Some((Ok(event), viewer))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

impl Viewer {
    async fn next(&mut self) -> Option<Event> {
        let Home(home) = self.app.home.clone();
        loop {
            // While the database does not answer, the page keeps what it has.
            if let Ok(now) = now(&self.app).await
                && now != self.shown
            {
                self.shown = Arc::clone(&now);
                return Some(Event::default().data(now));
            }
            tokio::select! {
                () = home.stopping.cancelled() => return None,
                _ = timeout(PERIOD, self.changes.changed()) => {}
            }
        }
    }
}
