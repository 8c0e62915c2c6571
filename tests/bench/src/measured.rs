//! The nodes of each comparison, with the database behind each, and the requests that they get.

use std::sync::Arc;

use axum::http::StatusCode;
use idem_tests::http;

use super::filled::filled;
use super::{DATABASE, TestDb, link, serve};
use crate::keys;
use crate::links::Route;
use crate::load::{Endpoint, payment};
use crate::nodes::{Node, Running};
use crate::options::Plan;
use crate::sides::Sides;

/// What is compared on this database. Dropping the value drops the databases.
pub(crate) struct Measured {
    pub(crate) first_writes: Sides,
    pub(crate) replays: Sides,
    _databases: Vec<TestDb>,
}

impl Measured {
    pub(crate) async fn start(plan: &Plan, route: Route) -> Self {
        let mut nodes = Nodes::new(plan, route);
        let bare = nodes.start(Node::Bare).await;
        let by_hand = nodes.start(Node::ByHand).await;
        let idem = nodes.start(Node::Idem).await;
        let remembering = nodes.start(Node::Remembering).await;
        let other = nodes.start(Node::Idem).await;
        // What these two know they have completed themselves.
        let own = (plan.stored, plan.known);
        for node in [&idem, &remembering] {
            complete(node, own).await;
        }
        let known = |node: &Arc<Running>| Endpoint::replaying(node, keys::again(own.0, own.1));
        let first = keys::again(0, plan.known.min(plan.stored));
        let read = Endpoint::new(&bare, move |n| http::get(format!("/answers/{}", first(n))));
        let first = keys::again(0, plan.known.min(plan.stored));
        Self {
            first_writes: Sides {
                what: format!("first writes{}", route.title()),
                references: 2,
                sides: vec![
                    Endpoint::writing(&bare).side("bare"),
                    Endpoint::writing(&by_hand).side("hand-written"),
                    Endpoint::writing(&idem).side("Idem"),
                    Endpoint::new(&bare, |n| payment("/nothing", &keys::numbered(n as u64)))
                        .side("no database"),
                ],
            },
            replays: Sides {
                what: format!("replays{}", route.title()),
                references: 2,
                sides: vec![
                    read.side("bare read"),
                    Endpoint::replaying(&by_hand, first).side("hand-written"),
                    known(&remembering).side("Idem, from memory"),
                    known(&idem).side("Idem, completed here"),
                    Endpoint::replaying(&other, keys::once(plan.stored)).side("Idem, another node"),
                ],
            },
            _databases: nodes.databases,
        }
    }
}

/// The modes of a rollout, each beside what it is compared with.
pub(crate) struct Modes {
    pub(crate) sides: [Sides; 2],
    _databases: Vec<TestDb>,
}

impl Modes {
    pub(crate) async fn start(plan: &Plan) -> Self {
        let mut nodes = Nodes::new(plan, Route::Direct);
        let mut sides = async |what: &str, names: [(&'static str, Node); 2]| {
            let mut sides = Vec::new();
            for (name, node) in names {
                let node = nodes.start(node).await;
                sides.push(Endpoint::writing(&node).side(name));
            }
            Sides {
                what: format!("first writes, {what}"),
                references: 1,
                sides,
            }
        };
        let observe = [("enforce", Node::Idem), ("observe", Node::Observing)];
        let off = [("no attribute", Node::Bare), ("off", Node::Off)];
        Self {
            sides: [sides("observe", observe).await, sides("off", off).await],
            _databases: nodes.databases,
        }
    }
}

/// Starts nodes, each on its own database.
pub(crate) struct Nodes<'p> {
    plan: &'p Plan,
    route: Route,
    pub(crate) databases: Vec<TestDb>,
}

impl<'p> Nodes<'p> {
    pub(crate) fn new(plan: &'p Plan, route: Route) -> Self {
        Self {
            plan,
            route,
            databases: Vec::new(),
        }
    }

    /// A node that runs until it is dropped, or in this process until the program ends.
    pub(crate) async fn start(&mut self, node: Node) -> Arc<Running> {
        self.start_with(node, self.plan.stored).await
    }

    /// The same with so many stored responses.
    pub(crate) async fn start_with(&mut self, node: Node, stored: u64) -> Arc<Running> {
        let db = filled(node, stored, false).await;
        self.start_on(node, db).await
    }

    /// A node with the attribute and so many expired responses.
    pub(crate) async fn start_expired(&mut self, expired: u64) -> Arc<Running> {
        let db = filled(Node::Idem, expired, true).await;
        self.start_on(Node::Idem, db).await
    }

    async fn start_on(&mut self, node: Node, db: TestDb) -> Arc<Running> {
        let link = link(self.route, db.url()).await;
        self.databases.push(db);
        let running = match self.plan.apart {
            true => Running::apart(DATABASE, node, self.plan.pool_size, link).await,
            false => {
                let address = serve(node, &link.0, self.plan.pool_size).await;
                Running::at(address, link.1)
            }
        };
        Arc::new(running)
    }
}

/// Has the node complete this many requests, with the keys from a number on.
async fn complete(node: &Running, (first, count): (u64, u64)) {
    for n in first..first + count {
        let request = payment("/payments", &keys::numbered(n));
        let answer = request.send_to(node.address).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
}
