//! The parts of a run on one database.

use std::future::pending;
use std::io::{self, Write};
use std::net::SocketAddr;

use idem_tests::http;

use super::counted::counted;
use super::endpoints::routes;
use super::measured::{Measured, Modes, Nodes};
use super::messages::Consumers;
use super::{NAME, pool_at};
use crate::links::Route;
use crate::nodes::Node;
use crate::options::{Part, Plan};
use crate::report::Report;

pub(crate) async fn run(part: Part, plan: &Plan, report: &mut Report) -> io::Result<()> {
    match part {
        Part::All => {
            requests(plan, report).await?;
            messages(plan, report).await
        }
        Part::Messages => messages(plan, report).await,
        Part::Modes => {
            let modes = Modes::start(plan).await;
            report
                .measure(NAME, &modes.sides, &plan.at_once, plan)
                .await
        }
    }
}

async fn requests(plan: &Plan, report: &mut Report) -> io::Result<()> {
    let measured = Measured::start(plan, Route::Direct).await;
    let sides = [&measured.first_writes, &measured.replays];
    report.measure(NAME, sides, &plan.at_once, plan).await?;
    drop(measured);
    for table in counted(plan).await {
        report.counted(table)?;
    }
    Ok(())
}

async fn messages(plan: &Plan, report: &mut Report) -> io::Result<()> {
    let consumers = Consumers::start(plan).await;
    let sides = plan.together.map(|together| consumers.sides(together));
    report.measure(NAME, &sides, &plan.at_once[..2], plan).await
}

/// Starts a server with the attribute in this process, prints its address, and keeps it until the program is ended.
pub(crate) async fn keep(plan: &Plan) -> io::Result<()> {
    let mut nodes = Nodes::new(plan, Route::Direct);
    let node = nodes.start(Node::Idem).await;
    writeln!(io::stdout(), "{}", node.address)?;
    pending().await
}

/// Starts a server in this process.
pub(crate) async fn serve(node: Node, url: &str, pool_size: u32) -> SocketAddr {
    let pool = pool_at(url, pool_size).await;
    http::serve(routes(node, pool)).await
}
