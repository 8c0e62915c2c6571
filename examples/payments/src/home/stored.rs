//! What the database has for the page's keys: payments, and records of idempotency.

use std::collections::BTreeMap;

use idem_axum::{IdempotencyKey, RecordFilter, RecordView, Scope};
use sqlx::QueryBuilder;

use crate::app::AppState;
use crate::auth;
use crate::database::Db;
use crate::home::story::Story;
use crate::problem::Problem;
use crate::read::read;

/// What the page shows of the database.
pub(super) struct Stored {
    /// The payments of each key: their ids and amounts. A key that has two was paid twice.
    pub(super) payments: BTreeMap<String, Vec<(i64, i64)>>,
    /// The newest keys, and their records.
    pub(super) keys: Vec<(String, Option<RecordView>)>,
}

/// How many keys are shown.
const SHOWN: usize = 6;

impl Stored {
    pub(super) async fn of(app: &AppState, story: &Story) -> Result<Self, Problem> {
        let mut keys = Vec::new();
        for key in story.keys().into_iter().take(SHOWN) {
            keys.push((key.to_owned(), record(app, key).await?));
        }
        // Read after the records: a record without its payment would be an error of Idem's, not of the page's.
        let payments = payments(app, story).await?;
        Ok(Self { payments, keys })
    }

    pub(super) fn payments(&self) -> usize {
        self.payments.values().map(Vec::len).sum()
    }

    pub(super) fn paid_twice(&self) -> usize {
        self.payments.values().filter(|paid| paid.len() > 1).count()
    }
}

async fn record(app: &AppState, key: &str) -> Result<Option<RecordView>, Problem> {
    let key: IdempotencyKey = key.parse().map_err(|_| Problem::Failed(None))?;
    let filter = RecordFilter::default()
        .scope(Scope::new(auth::DEMO_TENANT).map_err(|_| Problem::Failed(None))?)
        .operation("POST /payments")
        .key(key);
    let found = app.idem.records(&filter, None, 1).await?;
    Ok(found.into_iter().next())
}

async fn payments(
    app: &AppState,
    story: &Story,
) -> Result<BTreeMap<String, Vec<(i64, i64)>>, Problem> {
    let (keys, mut found) = (story.keys(), BTreeMap::<_, Vec<_>>::new());
    if keys.is_empty() {
        return Ok(found);
    }
    let mut list =
        QueryBuilder::<Db>::new("select reference, id, amount from payment where tenant = ");
    list.push_bind(auth::DEMO_TENANT);
    list.push(" and id > ")
        .push_bind(story.since.unwrap_or_default());
    list.push(" and reference in (");
    let mut references = list.separated(", ");
    for key in keys {
        references.push_bind(key);
    }
    list.push(") order by id");
    let rows = read(app.idem.pool(), |conn| {
        Box::pin(async move {
            let list = list.build_query_as::<(String, i64, i64)>();
            list.fetch_all(conn).await
        })
    })
    .await?;
    for (reference, id, amount) in rows {
        found.entry(reference).or_default().push((id, amount));
    }
    Ok(found)
}

/// The id of the tenant's newest payment, 0 if there is none.
pub(super) async fn newest_payment(app: &AppState) -> Result<i64, Problem> {
    let mut newest = QueryBuilder::<Db>::new("select max(id) from payment where tenant = ");
    newest.push_bind(auth::DEMO_TENANT);
    let found = read(app.idem.pool(), |conn| {
        Box::pin(async move {
            let newest = newest.build_query_scalar::<Option<i64>>();
            newest.fetch_one(conn).await
        })
    })
    .await?;
    Ok(found.unwrap_or_default())
}
