//! The nodes of each comparison, with the database behind each, and the requests that they get.

use std::sync::Arc;

use axum::http::StatusCode;
use futures_util::future::join_all;
use idem_tests::http;

use super::filled::filled;
use super::{DATABASE, TestDb, link, serve};
use crate::keys;
use crate::links::Route;
use crate::load::{Endpoint, new_key, payment};
use crate::nodes::{Node, Running};
use crate::options::Plan;
use crate::sides::Sides;

/// The databases of the sides, for one comparison after the other.
pub(crate) struct Databases {
    bare: TestDb,
    by_hand: TestDb,
    idem: TestDb,
    /// Idem with other settings, and how each is called.
    variants: Vec<(Node, &'static str, TestDb)>,
    remembering: TestDb,
    other: TestDb,
}

impl Databases {
    pub(crate) async fn fill(stored: u64) -> Self {
        let filled = |node| filled(node, stored, false);
        let variants = DATABASE.variants().iter();
        let variants =
            join_all(variants.map(async |(node, name)| (*node, *name, filled(*node).await)));
        let (bare, by_hand, idem, variants, remembering, other) = tokio::join!(
            filled(Node::Bare),
            filled(Node::ByHand),
            filled(Node::Idem),
            variants,
            filled(Node::Remembering),
            filled(Node::Idem),
        );
        Self {
            bare,
            by_hand,
            idem,
            variants,
            remembering,
            other,
        }
    }
}

/// What is compared on this database.
pub(crate) struct Measured {
    pub(crate) first_writes: Sides,
    pub(crate) replays: Sides,
}

impl Measured {
    pub(crate) async fn start(plan: &Plan, route: Route, on: &Databases) -> Self {
        let bare = start(Node::Bare, &on.bare, route, plan).await;
        let by_hand = start(Node::ByHand, &on.by_hand, route, plan).await;
        let idem = start(Node::Idem, &on.idem, route, plan).await;
        let remembering = start(Node::Remembering, &on.remembering, route, plan).await;
        let other = start(Node::Idem, &on.other, route, plan).await;
        // What these two know they have completed themselves.
        let own: Arc<[String]> = (0..plan.known).map(|_| new_key()).collect();
        tokio::join!(complete(&idem, &own), complete(&remembering, &own));
        let known = |node: &Arc<Running>| {
            let own = Arc::clone(&own);
            Endpoint::replaying(node, move |n| own[n % own.len()].clone())
        };
        let first = keys::again(plan.known.min(plan.stored));
        let read = Endpoint::new(&bare, move |n| http::get(format!("/answers/{}", first(n))));
        let first = keys::again(plan.known.min(plan.stored));
        let mut first_writes = vec![
            Endpoint::writing(&bare).side("bare"),
            Endpoint::writing(&by_hand).side("hand-written"),
            Endpoint::writing(&idem).side("Idem"),
        ];
        for (node, name, db) in &on.variants {
            let node = start(*node, db, route, plan).await;
            first_writes.push(Endpoint::writing(&node).side(*name));
        }
        let nothing = |n| payment("/nothing", &keys::numbered(n as u64));
        first_writes.push(Endpoint::new(&bare, nothing).side("no database"));
        let replays = vec![
            read.side("bare read"),
            Endpoint::replaying(&by_hand, first).side("hand-written"),
            known(&remembering).side("Idem, from memory"),
            known(&idem).side("Idem, completed here"),
            Endpoint::replaying(&other, keys::once(plan.stored)).side("Idem, another node"),
        ];
        let sides = |what: &str, sides| Sides {
            what: format!("{what}{}", route.title()),
            references: 2,
            sides,
        };
        Self {
            first_writes: sides("first writes", first_writes),
            replays: sides("replays", replays),
        }
    }
}

/// The modes of a rollout, and encryption, each beside what it is compared with.
pub(crate) struct Modes {
    pub(crate) sides: [Sides; 3],
    _databases: Vec<TestDb>,
}

impl Modes {
    pub(crate) async fn start(plan: &Plan) -> Self {
        let mut nodes = Nodes::new(plan);
        let mut sides = async |what: &str, names: [(&'static str, Node); 2]| {
            let mut sides = Vec::new();
            for (name, node) in names {
                let node = nodes.start(node, plan.stored).await;
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
        let encrypted = [
            ("in the clear", Node::Idem),
            ("encrypted", Node::Encrypting),
        ];
        Self {
            sides: [
                sides("observe", observe).await,
                sides("off", off).await,
                sides("encryption", encrypted).await,
            ],
            _databases: nodes.databases,
        }
    }
}

/// Starts nodes, each on its own database.
pub(crate) struct Nodes<'p> {
    plan: &'p Plan,
    pub(crate) databases: Vec<TestDb>,
}

impl<'p> Nodes<'p> {
    pub(crate) fn new(plan: &'p Plan) -> Self {
        let databases = Vec::new();
        Self { plan, databases }
    }

    /// A node with so many stored responses.
    pub(crate) async fn start(&mut self, node: Node, stored: u64) -> Arc<Running> {
        let db = filled(node, stored, false).await;
        self.start_on(node, db).await
    }

    /// A node with the attribute and so many expired responses.
    pub(crate) async fn start_expired(&mut self, expired: u64) -> Arc<Running> {
        let db = filled(Node::Idem, expired, true).await;
        self.start_on(Node::Idem, db).await
    }

    /// So many nodes on one database.
    pub(crate) async fn start_together(&mut self, node: Node, count: usize) -> Vec<Arc<Running>> {
        let db = filled(node, 0, false).await;
        let mut running = Vec::new();
        for _ in 0..count {
            running.push(start(node, &db, Route::Direct, self.plan).await);
        }
        self.databases.push(db);
        running
    }

    async fn start_on(&mut self, node: Node, db: TestDb) -> Arc<Running> {
        let running = start(node, &db, Route::Direct, self.plan).await;
        self.databases.push(db);
        running
    }
}

/// A node that runs until it is dropped, or in this process until the program ends.
async fn start(node: Node, db: &TestDb, route: Route, plan: &Plan) -> Arc<Running> {
    let link = link(route, db.url()).await;
    let running = match plan.apart {
        true => Running::apart(DATABASE, node, plan, link).await,
        false => {
            let address = serve(node, &link.0, plan).await;
            Running::at(address, link.1)
        }
    };
    Arc::new(running)
}

/// Has the node complete a request with each key.
async fn complete(node: &Running, keys: &[String]) {
    for key in keys {
        let request = payment("/payments", key);
        let answer = request.send_to(node.address).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
}
