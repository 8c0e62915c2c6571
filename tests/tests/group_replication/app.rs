//! An application of one write, which counts how often its handler runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{HasIdempotency, Idempotency, Tx, idempotent};
use idem_tests::http::{self, Answer};
use sqlx::{MySql, MySqlConnection, MySqlPool};
use tokio::sync::Notify;

#[derive(Clone, HasIdempotency)]
struct AppState {
    idem: Idempotency<MySql>,
    runs: Arc<Runs>,
}

#[derive(Default)]
struct Runs {
    count: AtomicUsize,
    begun: Notify,
}

#[idempotent(scope = "global", ttl = "24h")]
async fn write(
    State(app): State<AppState>,
    mut tx: Tx<MySql>,
    key: String,
) -> Result<StatusCode, StatusCode> {
    app.runs.count.fetch_add(1, Ordering::Relaxed);
    app.runs.begun.notify_one();
    let insert = sqlx::query("insert into effect (of_key) values (?)").bind(key);
    let inserted = insert.execute(&mut *tx).await;
    inserted.map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(StatusCode::CREATED)
}

/// The application on one server.
pub struct App {
    routes: Router,
    runs: Arc<Runs>,
}

impl App {
    /// On a server that has the tables.
    pub fn on(url: &str) -> Self {
        let pool = MySqlPool::connect_lazy(url).unwrap();
        let idem = Idempotency::builder(pool).timeout(Duration::from_secs(10));
        let (idem, runs) = (idem.build(), Arc::<Runs>::default());
        let routes = Router::new().route("/", post(write));
        let routes = routes.with_state(AppState {
            idem,
            runs: Arc::clone(&runs),
        });
        Self { routes, runs }
    }

    pub async fn send(&self, key: &str) -> Answer {
        let attempt = http::post("/").key(key).body(key.to_owned());
        attempt.send(&self.routes).await
    }

    /// How often the handler has begun.
    pub fn runs(&self) -> usize {
        self.runs.count.load(Ordering::Relaxed)
    }

    /// Waits until the handler has begun.
    pub async fn has_begun(&self) {
        self.runs.begun.notified().await;
    }
}

/// Creates the tables.
pub async fn prepare(url: &str) {
    let pool = MySqlPool::connect(url).await.unwrap();
    sqlx::raw_sql(EFFECT).execute(&pool).await.unwrap();
    Idempotency::new(pool).migrate().await.unwrap();
}

/// How many effects and records there are.
pub async fn effects_and_records(conn: &mut MySqlConnection) -> (i64, i64) {
    let count = "select (select count(*) from effect), (select count(*) from idem_record)";
    sqlx::query_as(count).fetch_one(conn).await.unwrap()
}

const EFFECT: &str = "create table effect (id bigint auto_increment primary key, \
    of_key varchar(40) not null)";
