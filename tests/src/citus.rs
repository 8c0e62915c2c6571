//! A database of a Citus cluster, whose tables are distributed by scope.

use std::{
    env,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Deref,
    thread,
};

use idem_axum::Idempotency;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::sync::OnceCell;
use uuid::Uuid;

pub use crate::postgres::{COUNT_PAYMENTS, Db, FEATURE, INSERT_PAYMENT, age_records, pool_at};
use crate::{
    postgres,
    server::{Server, connect, finish},
    until::until,
};

/// Creates the table `payment`, which lives beside the records of its tenant.
pub const CREATE_PAYMENT: &str = r#"create table payment (
    id bigint generated always as identity,
    tenant text collate "C" not null,
    amount bigint not null,
    reference text not null,
    primary key (tenant, id)
);
select create_distributed_table('payment', 'tenant', colocate_with => 'idem.record')"#;

/// Like [`postgres::TestDb`], on each server of the cluster of `IDEM_TEST_CITUS_URL`.
///
/// That is the URL of the coordinator; its user must be allowed to create databases on every server, and
/// the servers must reach each other under the addresses in `pg_dist_node`.
#[derive(Debug)]
pub struct TestDb {
    /// Dropped first: the coordinator connects to the workers.
    db: postgres::TestDb,
    copies: Copies,
}

impl TestDb {
    /// Creates the database: a copy of a template that the tests of this cluster share.
    pub async fn new() -> Self {
        let template = template().await;
        let name = format!("idem_{}", Uuid::new_v4().simple());
        on_each(format!("create database {name} template {template}")).await;
        let db = postgres::TestDb::existing(name.clone(), &cluster().await.coordinator);
        let copies = Copies { name };
        Self { db, copies }
    }

    /// Kills what runs on the workers for this database, and returns how many processes that were.
    pub async fn kill_on_workers(&self) -> i64 {
        let kill = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
            where datname = current_database() and backend_type = 'client backend' \
              and pid <> pg_backend_pid()";
        self.sum_on_workers(kill).await
    }

    /// Returns once a statement waits on a worker for another transaction.
    pub async fn until_somebody_waits_on_a_worker(&self) {
        let waiting = "select count(*) from pg_stat_activity \
            where datname = current_database() and wait_event_type = 'Lock'";
        let what = || "somebody waits on a worker".to_owned();
        until(what, async || Ok(self.sum_on_workers(waiting).await > 0)).await;
    }

    async fn sum_on_workers(&self, count: &'static str) -> i64 {
        let mut sum = 0;
        for worker in &cluster().await.workers {
            let mut connection = to_database(worker, &self.copies.name).await;
            let counted = sqlx::query_scalar::<_, i64>(count);
            sum += counted.fetch_one(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        }
        sum
    }
}

impl Deref for TestDb {
    type Target = postgres::TestDb;

    fn deref(&self) -> &Self::Target {
        &self.db
    }
}

/// Keeps the cluster's own processes out, which would connect again while a database is dropped.
impl Drop for TestDb {
    fn drop(&mut self) {
        if let (false, Some(cluster)) = (thread::panicking(), CLUSTER.get()) {
            let close = format!(
                "alter database {} allow_connections false",
                self.copies.name
            );
            for server in cluster.servers() {
                finish(postgres::administer(server, close.clone()));
            }
        }
    }
}

/// The databases of this name on the workers.
#[derive(Debug)]
struct Copies {
    name: String,
}

impl Drop for Copies {
    fn drop(&mut self) {
        if let (false, Some(cluster)) = (thread::panicking(), CLUSTER.get()) {
            for worker in &cluster.workers {
                let drop = format!("drop database {} with (force)", self.name);
                finish(postgres::administer(worker, drop));
            }
        }
    }
}

/// The servers of the cluster.
#[derive(Debug)]
struct Cluster {
    coordinator: Server,
    workers: Vec<Server>,
}

impl Cluster {
    fn servers(&'static self) -> impl Iterator<Item = &'static Server> {
        std::iter::once(&self.coordinator).chain(&self.workers)
    }
}

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();

async fn cluster() -> &'static Cluster {
    CLUSTER.get_or_init(find).await
}

/// Asks the coordinator for its workers.
async fn find() -> Cluster {
    let url = env::var("IDEM_TEST_CITUS_URL").expect("the URL of a coordinator");
    let coordinator = Server::at(url);
    let options = postgres::options(&coordinator);
    let mut connection: PgConnection = connect(&options).await;
    let workers = "select nodename, nodeport from pg_dist_node \
        where isactive and noderole = 'primary' and groupid > 0 order by nodeid";
    let workers = connection.fetch_all(workers).await.unwrap();
    assert!(!workers.is_empty(), "the cluster has no worker");
    let workers = workers.iter().map(|row| {
        let (host, port): (&str, i32) = (row.get(0), row.get(1));
        let options = options.clone().host(host).port(port.try_into().unwrap());
        Server::at(options.to_url_lossy().into())
    });
    let workers = workers.collect();
    connection.close().await.unwrap();
    Cluster {
        coordinator,
        workers,
    }
}

/// Finds or creates the template, whose name changes with the statements that make it.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    let found = TEMPLATE.get_or_init(async || {
        let mut hasher = DefaultHasher::new();
        (MIGRATIONS, DISTRIBUTE, CREATE_PAYMENT).hash(&mut hasher);
        let name = format!("idem_template_{:016x}", hasher.finish());
        // One process at a time looks and creates.
        let mut admin: PgConnection =
            connect(&postgres::options(&cluster().await.coordinator)).await;
        admin.execute("select pg_advisory_lock(1)").await.unwrap();
        let made = "select 1 from pg_database where not datallowconn and datname = $1";
        let made = sqlx::query(made).bind(&name).fetch_optional(&mut admin);
        if made.await.unwrap().is_none() {
            create_template(&name).await;
        }
        admin.close().await.unwrap();
        name
    });
    found.await
}

async fn create_template(name: &str) {
    on_each(format!("drop database if exists {name} with (force)")).await;
    on_each(format!("create database {name}")).await;
    for server in cluster().await.servers() {
        let mut connection = to_database(server, name).await;
        connection.execute("create extension citus").await.unwrap();
        connection.close().await.unwrap();
    }
    let coordinator = &cluster().await.coordinator;
    let mut connection = to_database(coordinator, name).await;
    let node = |function: &str, options: &PgConnectOptions| {
        let (host, port) = (options.get_host(), options.get_port());
        AssertSqlSafe(format!("select {function}('{host}', {port})"))
    };
    let own = node(
        "citus_set_coordinator_host",
        &postgres::options(coordinator),
    );
    connection.execute(own).await.unwrap();
    for worker in &cluster().await.workers {
        let add = node("citus_add_node", &postgres::options(worker));
        connection.execute(add).await.unwrap();
    }
    connection.close().await.unwrap();
    let options = postgres::options(coordinator).database(name);
    let pool = PgPoolOptions::new().connect_with(options).await.unwrap();
    Idempotency::new(pool.clone()).migrate().await.unwrap();
    pool.execute(DISTRIBUTE).await.unwrap();
    pool.execute(CREATE_PAYMENT).await.unwrap();
    pool.close().await;
    for server in cluster().await.workers.iter().chain([coordinator]) {
        close(server, name).await;
    }
}

/// Keeps everybody out of the template, since it is copied only while nobody is connected to it.
async fn close(server: &Server, name: &str) {
    let close = format!("alter database {name} allow_connections false");
    postgres::administer(server, close).await;
    let mut admin: PgConnection = connect(&postgres::options(server)).await;
    let others = "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1";
    let what = || "nobody is connected to the template".to_owned();
    until(what, async || {
        let others = sqlx::query(others).bind(name).fetch_all(&mut admin).await;
        others.map(|others| others.is_empty())
    })
    .await;
    admin.close().await.unwrap();
}

async fn on_each(statement: String) {
    for server in cluster().await.servers() {
        postgres::administer(server, statement.clone()).await;
    }
}

async fn to_database(server: &Server, name: &str) -> PgConnection {
    connect(&postgres::options(server).database(name)).await
}

/// What distributes Idem's tables, as users run it.
const DISTRIBUTE: &str = include_str!("../../docs/citus.sql");

const MIGRATIONS: &str = concat!(
    include_str!("../../idem-core/migrations/postgres/0001_record.sql"),
    include_str!("../../idem-core/migrations/postgres/0002_dead_letter.sql"),
    include_str!("../../idem-core/migrations/postgres/0003_rollout.sql"),
    include_str!("../../idem-core/migrations/postgres/0004_step.sql")
);
