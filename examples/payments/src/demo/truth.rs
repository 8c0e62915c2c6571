//! What the database has for the payments of one run, whatever their clients were told.

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::{Pool, QueryBuilder};
use tokio::time::{Instant, interval};

use super::order::Orders;
use super::progress::Progress;
use crate::database::Db;

/// The keys that are not as promised.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Truth {
    pub(super) payments: usize,
    pub(super) paid_twice: Vec<String>,
    pub(super) not_paid: Vec<String>,
    pub(super) booked_twice: Vec<String>,
    pub(super) not_booked: Vec<String>,
}

/// A payment's reference, and how many ledger entries and receipts it has.
type Row = (String, i64, i64);

impl Truth {
    fn of<'k>(keys: impl Iterator<Item = &'k str>, rows: &[Row]) -> Self {
        let mut paid: BTreeMap<_, usize> = keys.map(|key| (key.to_owned(), 0)).collect();
        for (reference, ..) in rows {
            *paid.entry(reference.clone()).or_default() += 1;
        }
        let with = |is_wrong: fn(usize) -> bool| {
            let wrong = paid.iter().filter(|(_, times)| is_wrong(**times));
            wrong.map(|(key, _)| key.clone()).collect()
        };
        let booked = |is_wrong: fn(i64, i64) -> bool| {
            let wrong = rows
                .iter()
                .filter(|(_, entries, receipts)| is_wrong(*entries, *receipts));
            wrong.map(|(key, ..)| key.clone()).collect()
        };
        Self {
            payments: rows.len(),
            paid_twice: with(|times| times > 1),
            not_paid: with(|times| times == 0),
            booked_twice: booked(|entries, receipts| entries > ENTRIES || receipts > 1),
            not_booked: booked(|entries, receipts| entries < ENTRIES || receipts < 1),
        }
    }
}

/// How many entries an event has: what one account gets, another one gives.
const ENTRIES: i64 = 2;

/// Reads the database when the worker has handled each event of the run, or does not get further.
pub(super) async fn when_booked(
    pool: &Pool<Db>,
    orders: &Orders,
    progress: &Progress,
) -> sqlx::Result<Truth> {
    let (mut least, mut since) = (usize::MAX, Instant::now());
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let truth = Truth::of(orders.keys(), &rows(pool, &orders.prefix).await?);
        // What is booked may be delivered once more: the count is right when nothing is on its way.
        let left = truth.not_booked.len() + undelivered(pool, &orders.prefix).await?;
        if left < least {
            (least, since) = (left, Instant::now());
            progress.line(&format!("events left for the worker: {left}"));
        }
        if left == 0 || since.elapsed() > PATIENCE {
            return Ok(truth);
        }
    }
}

async fn rows(pool: &Pool<Db>, prefix: &str) -> sqlx::Result<Vec<Row>> {
    let mut query = QueryBuilder::<Db>::new(
        "select p.reference, coalesce(l.entries, 0), coalesce(r.receipts, 0) from payment p \
         left join (select payment_id, count(*) as entries from ledger_entry group by payment_id) l \
         on l.payment_id = p.id \
         left join (select payment_id, count(*) as receipts from receipt group by payment_id) r \
         on r.payment_id = p.id \
         where p.reference like ",
    );
    query.push_bind(format!("{prefix}%"));
    query.push(" order by p.id");
    query.build_query_as().fetch_all(pool).await
}

/// How many events of booked payments are still in the outbox or in the embedded broker.
async fn undelivered(pool: &Pool<Db>, prefix: &str) -> sqlx::Result<usize> {
    let mut query = QueryBuilder::<Db>::new(
        "select count(*) from (select message_id from event union all select message_id from queue_message) m \
         where m.message_id in (select l.message_id from ledger_entry l \
         join payment p on p.id = l.payment_id where p.reference like ",
    );
    query.push_bind(format!("{prefix}%"));
    query.push(")");
    let count: i64 = query.build_query_scalar().fetch_one(pool).await?;
    Ok(usize::try_from(count).unwrap_or_default())
}

const LOOK: Duration = Duration::from_millis(100);

/// How long the worker may get no further: longer than the first pauses after a failure.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_that_is_not_paid_and_booked_once_is_named() {
        let rows = [
            ("once", 2, 1),
            ("twice", 2, 1),
            ("twice", 2, 1),
            ("entries", 4, 1),
            ("receipts", 2, 2),
            ("late", 0, 1),
            ("silent", 2, 0),
        ];
        let rows = rows.map(|(key, entries, receipts)| (key.to_owned(), entries, receipts));
        let keys = [
            "entries", "late", "missing", "once", "receipts", "silent", "twice",
        ];
        let found = Truth::of(keys.into_iter(), &rows);
        let named = |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect();
        let expected = Truth {
            payments: 7,
            paid_twice: named(&["twice"]),
            not_paid: named(&["missing"]),
            booked_twice: named(&["entries", "receipts"]),
            not_booked: named(&["late", "silent"]),
        };
        assert_eq!(found, expected);
    }
}
