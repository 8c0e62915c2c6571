//! A TCP proxy in front of a database or a broker that breaks connections at a chosen statement.

#[cfg(feature = "rabbitmq")]
mod amqp;
#[cfg(any(feature = "nats", feature = "rabbitmq"))]
mod broker;
mod connection;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "postgres")]
mod postgres;
mod protocol;
mod trap;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{AbortHandle, JoinSet},
};

use self::protocol::Protocol;
pub use self::trap::{Action, Trap};

/// A proxy between a test and a database or broker. Dropping it cuts every connection.
///
/// A statement is a message with SQL text to run, which may hold several SQL statements, or a message
/// that runs a prepared statement, with its text. Preparing alone runs nothing and does not count.
/// For a broker a statement is what a client publishes (NATS) or calls (RabbitMQ: `basic.publish` and the like).
/// A broker's messages cannot be matched to statements, so there are no actions on its answers.
///
/// # Examples
///
/// ```no_run
/// # async fn example(url: &str) {
/// use idem_tests::proxy::{Action, Proxy};
///
/// let proxy = Proxy::to(url).await;
/// let commit = proxy.on("commit", Action::CutAnswer);
/// // … send an attempt through a pool on `proxy.url()`, then:
/// commit.reached().await; // The transaction has committed; its client never gets the answer.
/// # }
/// ```
#[derive(Debug)]
pub struct Proxy {
    url: String,
    shared: Arc<Shared>,
    accepting: AbortHandle,
    server_of: fn(&str) -> (String, u16),
}

/// What clients sent since the start or the last [`Proxy::forget`].
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Traffic {
    /// Connections that were opened.
    pub connections: usize,
    /// Messages, including the first one of a connection.
    pub messages: usize,
    /// How often a client spoke after the server had answered: the cost on a slow network.
    pub round_trips: usize,
    /// The texts of the statements, in order of arrival.
    pub statements: Vec<String>,
}

impl Proxy {
    /// Starts a proxy to the database or broker of `url`, in the runtime of this test.
    pub async fn to(url: &str) -> Self {
        match url.split(':').next() {
            #[cfg(feature = "postgres")]
            Some("postgres" | "postgresql") => Self::speaking::<postgres::Postgres>(url).await,
            #[cfg(feature = "mysql")]
            Some("mysql" | "mariadb") => Self::speaking::<mysql::MySql>(url).await,
            #[cfg(feature = "nats")]
            Some("nats") => Self::speaking::<nats::Nats>(url).await,
            #[cfg(feature = "rabbitmq")]
            Some("amqp") => Self::speaking::<amqp::Amqp>(url).await,
            _ => panic!("no protocol is known for {url}"),
        }
    }

    async fn speaking<P: Protocol>(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        *shared.server.lock().unwrap() = P::server(url);
        let accepting = tokio::spawn(accept::<P>(listener, Arc::clone(&shared)));
        Self {
            url: P::through(url, address.port()),
            shared,
            accepting: accepting.abort_handle(),
            server_of: P::server,
        }
    }

    /// The URL of the database or broker through this proxy.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Acts once, at the next statement with these words; case does not matter.
    pub fn on(&self, text: &str, action: Action) -> Trap {
        self.on_nth(1, text, action)
    }

    /// Acts once, at the `n`-th statement from now that contains `text`; an empty text matches all.
    pub fn on_nth(&self, n: usize, text: &str, action: Action) -> Trap {
        let trap = Trap::new(n, text, action, Arc::clone(&self.shared));
        self.shared.traps.lock().unwrap().push(trap.clone());
        trap
    }

    /// Removes the traps that no statement has reached yet.
    pub fn disarm(&self) {
        self.shared.traps.lock().unwrap().clear();
    }

    /// Drops every statement with these words from now on, as if lost: for what a broker does not answer.
    pub fn lose(&self, text: &str) {
        self.shared.lost.lock().unwrap().push(text.to_lowercase());
    }

    /// Forwards nothing until [`Proxy::resume`], like a network that lost its route.
    pub fn pause(&self) {
        self.shared.paused.send_replace(true);
    }

    /// Forwards again, starting with what was held back.
    pub fn resume(&self) {
        self.shared.paused.send_replace(false);
    }

    /// Cuts every open connection. New ones can be opened.
    pub fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Leads new connections to another server, as an address does that follows the primary, and cuts the
    /// open ones.
    pub fn lead_to(&self, url: &str) {
        *self.shared.server.lock().unwrap() = (self.server_of)(url);
        self.cut();
    }

    /// Cuts every open connection, and every new one at once, until [`Proxy::come_up`].
    pub fn go_down(&self) {
        self.shared.down.send_replace(true);
        self.cut();
    }

    /// Lets clients connect again.
    pub fn come_up(&self) {
        self.shared.down.send_replace(false);
    }

    /// What clients sent since the start or the last [`Proxy::forget`].
    pub fn traffic(&self) -> Traffic {
        self.shared.traffic.lock().unwrap().clone()
    }

    /// Resets the counts.
    pub fn forget(&self) {
        *self.shared.traffic.lock().unwrap() = Traffic::default();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// State shared by the proxy's owner and its connections.
#[derive(Debug, Default)]
struct Shared {
    /// Host and port, to which new connections lead.
    server: Mutex<(String, u16)>,
    traps: Mutex<Vec<Trap>>,
    /// Words of the statements to drop.
    lost: Mutex<Vec<String>>,
    traffic: Mutex<Traffic>,
    paused: watch::Sender<bool>,
    down: watch::Sender<bool>,
    cuts: watch::Sender<usize>,
}

impl Shared {
    /// The trap that catches this statement. Every trap counts it.
    fn caught(&self, statement: &str) -> Option<Trap> {
        let traps = self.traps.lock().unwrap();
        let caught = traps.iter().filter(|trap| trap.catches(statement));
        caught.cloned().collect::<Vec<_>>().into_iter().next()
    }

    fn loses(&self, statement: &str) -> bool {
        let (statement, lost) = (statement.to_lowercase(), self.lost.lock().unwrap());
        lost.iter().any(|text| trap::has_words(&statement, text))
    }

    fn count(&self, begins_round_trip: bool, statement: Option<String>) {
        let mut traffic = self.traffic.lock().unwrap();
        traffic.messages += 1;
        traffic.round_trips += usize::from(begins_round_trip);
        traffic.statements.extend(statement);
    }

    async fn while_paused(&self) {
        let mut paused = self.paused.subscribe();
        // The sender lives as long as `self`, so there is always a change to wait for.
        let _resumed = paused.wait_for(|paused| !paused).await;
    }
}

/// The connections end with the task that accepted them.
async fn accept<P: Protocol>(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if *shared.down.borrow() {
            continue;
        }
        shared.traffic.lock().unwrap().connections += 1;
        // A client whose server cannot be reached sees its connection closed.
        let server = shared.server.lock().unwrap().clone();
        if let Ok(server) = TcpStream::connect(server).await {
            // Else every message waits for the acknowledgement of the one before.
            client.set_nodelay(true).unwrap();
            server.set_nodelay(true).unwrap();
            let shared = Arc::clone(&shared);
            connections.spawn(async move { connection::relay::<P>(client, server, &shared).await });
        }
    }
}
