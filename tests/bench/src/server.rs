//! The servers of both sides, with the databases behind them and the requests they get.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use idem_axum::{Idempotency, RolloutMode};
use idem_tests::http;

use super::endpoints::{bare_routes, idempotent_routes, remembering_routes};
use super::{ANALYZE, TestDb};
use crate::load::{Endpoint, Sides, new_key, payment};
use crate::{Endpoints, Plan};

/// Servers that run until the program ends; dropping the value drops the databases.
pub(crate) struct Server {
    pub(crate) endpoints: Endpoints,
    _databases: [TestDb; 3],
}

/// The same handler in the modes that do not enforce, and what each is compared with.
pub(crate) struct Modes {
    sides: [(&'static str, Sides); 2],
    _databases: [TestDb; 4],
}

impl Modes {
    pub(crate) async fn start(plan: &Plan) -> Self {
        let databases = [
            filled(&[]).await,
            filled(&[]).await,
            filled(&[]).await,
            filled(&[]).await,
        ];
        let [observing, enforcing, off, bare] = &databases;
        let pool = async |db: &TestDb| db.pool_of(plan.pool_size).await;
        let write = async |routes| {
            let address = http::serve(routes).await;
            Endpoint::new(address, |_| payment("/payments").key(&new_key()))
        };
        let observe = Sides {
            idem: write(idempotent_routes(
                pool(observing).await,
                RolloutMode::Observe,
            ))
            .await,
            bare: write(idempotent_routes(
                pool(enforcing).await,
                RolloutMode::Enforce,
            ))
            .await,
        };
        let off = Sides {
            idem: write(idempotent_routes(pool(off).await, RolloutMode::Off)).await,
            bare: write(bare_routes(pool(bare).await)).await,
        };
        Self {
            sides: [
                ("observe, beside enforce", observe),
                ("off, beside no attribute", off),
            ],
            _databases: databases,
        }
    }

    pub(crate) fn sides(&self) -> impl Iterator<Item = (&str, &Sides)> {
        self.sides.iter().map(|(what, sides)| (*what, sides))
    }
}

impl Server {
    pub(crate) async fn start(plan: &Plan) -> Self {
        let keys: Arc<[String]> = (0..plan.stored_answers).map(|_| new_key()).collect();
        let databases = [filled(&keys).await, filled(&keys).await, filled(&[]).await];
        let [idem, bare, remembering] = &databases;
        // Separate pools, too: Idem's settings of a connection must not slow the bare side down.
        let idem = idem.pool_of(plan.pool_size).await;
        let idem = idempotent_routes(idem, RolloutMode::Enforce);
        let bare = bare_routes(bare.pool_of(plan.pool_size).await);
        let remembering = remembering_routes(remembering.pool_of(plan.pool_size).await);
        // What a node has not completed itself it does not remember.
        pay_all(&remembering, &keys).await;
        let (idem, bare) = (http::serve(idem).await, http::serve(bare).await);
        let remembering = http::serve(remembering).await;

        let replays = |idem| {
            let (stored, read) = (Arc::clone(&keys), Arc::clone(&keys));
            Sides {
                idem: Endpoint::replaying(idem, move |n| {
                    payment("/payments").key(&stored[n % stored.len()])
                }),
                bare: Endpoint::new(bare, move |n| {
                    http::get(format!("/answers/{}", read[n % read.len()]))
                }),
            }
        };
        let endpoints = Endpoints {
            first_time_writes: Sides {
                idem: Endpoint::new(idem, |_| payment("/payments").key(&new_key())),
                bare: Endpoint::new(bare, |_| payment("/payments").key(&new_key())),
            },
            replays: replays(idem),
            remembered_replays: replays(remembering),
            no_database: Endpoint::new(bare, |_| payment("/nothing").key(&new_key())),
        };
        Self {
            endpoints,
            _databases: databases,
        }
    }
}

/// A database with the keys' payments and stored responses, and fresh planner statistics.
async fn filled(keys: &[String]) -> TestDb {
    let db = TestDb::new().await;
    let pool = db.pool_of(1).await;
    Idempotency::new(pool.clone()).migrate().await.unwrap();
    let app = idempotent_routes(pool.clone(), RolloutMode::Enforce);
    pay_all(&app, keys).await;
    sqlx::query(ANALYZE).execute(&pool).await.unwrap();
    pool.close().await;
    db
}

async fn pay_all(app: &Router, keys: &[String]) {
    for key in keys {
        let answer = payment("/payments").key(key).send(app).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    }
}
