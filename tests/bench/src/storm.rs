//! A storm: many duplicates of one key arrive at once while its slow handler runs, and others write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use idem_tests::http;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::load::{Endpoint, new_key, payment};
use crate::nodes::Running;
use crate::report::{StormRow, StormTable, median};
use crate::turn::{Length, milliseconds};

/// What a node has seen while it watched.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Watched {
    /// How often the slow handler has run.
    pub(crate) runs: usize,
    /// How many connections were in use at most.
    pub(crate) connections: u32,
}

/// Alternates between a storm and a calm at each node, after a storm that nobody else disturbs.
pub(crate) async fn measure(
    database: &str,
    nodes: &[(&'static str, Arc<Running>)],
    repetitions: usize,
) -> StormTable {
    let mut rows: Vec<_> = Vec::new();
    for (side, node) in nodes {
        let (watched, _) = tokio::join!(watch(node), storm(node));
        rows.push((StormRow::new(side, watched), Vec::new(), Vec::new()));
    }
    for _ in 0..repetitions {
        for ((_, node), (row, throughput, p99)) in nodes.iter().zip(&mut rows) {
            let others = Endpoint::writing(node).side("others");
            let length = Length::For(SLOW + SLOW / 4);
            let calm = others.turn(OTHERS, length).await;
            let stormy = others.turn(OTHERS, length);
            let (watched, stormy, waited) = tokio::join!(watch(node), stormy, storm(node));
            throughput.push(stormy.per_second / calm.per_second);
            p99.push(stormy.p99_ms / calm.p99_ms);
            row.add(watched, waited);
        }
    }
    let rows = rows.into_iter().map(|(mut row, throughput, p99)| {
        row.others_throughput = median(throughput);
        row.others_p99 = median(p99);
        row
    });
    StormTable {
        database: database.to_owned(),
        duplicates: DUPLICATES,
        rows: rows.collect(),
    }
}

/// Sends the duplicates, each on its own connection, and returns how long the slowest one waited.
async fn storm(node: &Running) -> f64 {
    let key = new_key();
    let mut duplicates = JoinSet::new();
    for _ in 0..DUPLICATES {
        let (request, address) = (payment("/slow", &key), node.address);
        duplicates.spawn(async move {
            let start = Instant::now();
            let answer = request.send_to(address).await.unwrap();
            assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
            milliseconds(start.elapsed())
        });
    }
    duplicates.join_all().await.into_iter().fold(0.0, f64::max)
}

async fn watch(node: &Running) -> Watched {
    let time = SLOW + SLOW / 2;
    let watch = http::get(format!("/watch/{}", time.as_millis()));
    watch.send_to(node.address).await.unwrap().json()
}

/// How long the handler of the duplicates runs.
pub(crate) const SLOW: Duration = Duration::from_millis(200);

const DUPLICATES: usize = 64;

/// How many others write meanwhile.
const OTHERS: usize = 4;
