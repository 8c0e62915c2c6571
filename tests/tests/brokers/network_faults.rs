//! Network faults between a worker and its database or broker.

use idem_tests::process::{Process, start_worker};
use idem_tests::proxy::{Action, Proxy, Trap};

use super::shop::Shop;
use super::{ACK, FEATURE};

/// A proxy in front of the database, and one in front of a separate broker.
pub struct NetworkFaults {
    pub db: Proxy,
    broker: Option<Proxy>,
}

impl NetworkFaults {
    pub async fn of(shop: &Shop) -> Self {
        let url = shop.broker.url();
        Self {
            db: Proxy::to(&shop.db.url()).await,
            broker: match url.as_str() {
                "embedded" => None,
                _ => Some(Proxy::to(&url).await),
            },
        }
    }

    /// Starts a worker that reaches both through the proxies.
    pub async fn worker(&self, options: &[&str]) -> Process {
        let broker = self.broker.as_ref().map_or("embedded", Proxy::url);
        start_worker(FEATURE, self.db.url(), broker, options).await
    }

    /// Drops all acknowledgements from now on. Returns how many messages the worker will still handle.
    pub fn lose_acknowledgements(&self) -> usize {
        match &self.broker {
            Some(broker) => {
                broker.lose(ACK);
                20
            }
            // A database answers every statement, so that one that is lost is waited for.
            None => {
                for n in 1..=CONNECTIONS {
                    self.db.on_nth(n, ACK, Action::Hold);
                }
                8
            }
        }
    }

    /// Cuts the connection instead of forwarding the next acknowledgement.
    pub fn cut_acknowledgement(&self) -> Trap {
        self.to_broker().on(ACK, Action::Cut)
    }

    /// Cuts the worker off from its broker, which considers it gone; not with a broker in the database.
    pub fn lose_broker(&self) {
        if let Some(broker) = &self.broker {
            broker.go_down();
        }
    }

    fn to_broker(&self) -> &Proxy {
        self.broker.as_ref().unwrap_or(&self.db)
    }
}

/// More connections than a worker has.
const CONNECTIONS: usize = 20;
