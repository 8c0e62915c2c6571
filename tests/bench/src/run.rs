//! The parts of a run on one database.

use std::future::pending;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Instant;

use idem_tests::http;
use sqlx::pool::PoolOptions;

use super::counted::counted;
use super::endpoints::routes;
use super::grown::{grown, swept, unswept};
use super::loaded::loaded;
use super::measured::{Databases, Measured, Modes, Nodes};
use super::messages::Consumers;
use super::{DATABASE, Db, NAME, TestDb, VERSION_AND_DATE};
use crate::links::Route;
use crate::nodes::Node;
use crate::options::{Part, Plan};
use crate::report::{Product, Report};
use crate::storm;
use crate::turn::milliseconds;

pub(crate) async fn run(part: &Part, plan: &Plan, report: &mut Report) -> io::Result<()> {
    report.database(product().await)?;
    match part {
        Part::Requests => {
            let databases = Databases::fill(plan.stored).await;
            requests(plan, Route::Direct, &databases, report).await?;
            if DATABASE.is_server() && !plan.delay.is_zero() {
                requests(plan, Route::Delayed(plan.delay), &databases, report).await?;
            }
            drop(databases);
            for table in counted(plan).await {
                report.counted(table)?;
            }
            Ok(())
        }
        Part::Messages => messages(plan, report).await,
        Part::Modes => {
            let modes = Modes::start(plan).await;
            report
                .measure(NAME, &modes.sides, &plan.at_once, plan)
                .await
        }
        Part::Growth(keys) => {
            let (sides, _nodes) = grown(keys, plan).await;
            report.measure(NAME, [&sides], &plan.at_once, plan).await
        }
        Part::Sweep(expired) => sweep(*expired, plan, report).await,
        Part::Storm => storms(plan, report).await,
        Part::Load(load) => report.load(loaded(load, plan).await),
    }
}

async fn product() -> Product {
    let db = TestDb::new().await;
    let pool = db.pool_of(1).await;
    let (version, date) = sqlx::query_as(VERSION_AND_DATE)
        .fetch_one(&pool)
        .await
        .unwrap();
    pool.close().await;
    let name = NAME.to_owned();
    Product {
        name,
        version,
        date,
    }
}

async fn requests(
    plan: &Plan,
    route: Route,
    databases: &Databases,
    report: &mut Report,
) -> io::Result<()> {
    let measured = Measured::start(plan, route, databases).await;
    let sides = [&measured.first_writes, &measured.replays];
    report.measure(NAME, sides, &plan.at_once, plan).await?;
    let links = measured.first_writes.sides.iter();
    let delays = links.filter_map(|side| side.node.as_ref()?.link.mean_delay());
    if let (Some(least), Some(most)) = (delays.clone().min(), delays.max()) {
        let (least, most) = (milliseconds(least), milliseconds(most));
        let note = format!("Messages were passed on {least:.2} to {most:.2} ms later, by side.");
        report.note(note)?;
    }
    Ok(())
}

async fn sweep(expired: u64, plan: &Plan, report: &mut Report) -> io::Result<()> {
    let (sides, nodes) = swept(expired, plan).await;
    let start = Instant::now();
    report
        .measure(NAME, [&sides], &plan.at_once[1..2], plan)
        .await?;
    let left = unswept(&nodes).await;
    let took = start.elapsed();
    report.note(format!(
        "Of {expired} expired keys {left} are left after {took:.1?}."
    ))
}

async fn storms(plan: &Plan, report: &mut Report) -> io::Result<()> {
    let mut nodes = Nodes::new(plan);
    let mut sides = Vec::new();
    for (name, node) in [("hand-written", Node::ByHand), ("Idem", Node::Idem)] {
        sides.push((name, nodes.start(node, 1_000).await));
    }
    report.storm(storm::measure(NAME, &sides, plan.rounds).await)
}

async fn messages(plan: &Plan, report: &mut Report) -> io::Result<()> {
    let consumers = Consumers::start(plan).await;
    let sides = plan.together.map(|together| consumers.sides(together));
    report.measure(NAME, &sides, &plan.at_once[..2], plan).await
}

/// Starts a server with the attribute in this process, prints its address, and keeps it until the program is ended.
pub(crate) async fn keep(plan: &Plan) -> io::Result<()> {
    let mut nodes = Nodes::new(plan);
    let node = nodes.start(Node::Idem, plan.stored).await;
    writeln!(io::stdout(), "{}", node.address)?;
    pending().await
}

/// Starts a server in this process.
pub(crate) async fn serve(node: Node, url: &str, plan: &Plan) -> SocketAddr {
    let pool = PoolOptions::<Db>::new()
        .max_connections(plan.pool_size)
        .test_before_acquire(node != Node::Unpinged);
    let pool = pool.connect(url).await.unwrap();
    http::serve(routes(node, pool, plan.max_attempts)).await
}
