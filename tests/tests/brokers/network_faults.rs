//! Faults of the network between a worker and its database or its broker.

use idem_tests::process::{Process, start_worker};
use idem_tests::proxy::{Action, Proxy, Trap};

use super::shop::Shop;
use super::{ACK, FEATURE};

/// A proxy before the database, and one before the broker if that is elsewhere.
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

    /// From now on nothing that the worker acknowledges is acknowledged. Says how many it will handle nevertheless.
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

    /// Cuts the connection of the next acknowledgement in its place.
    pub fn cut_acknowledgement(&self) -> Trap {
        self.to_broker().on(ACK, Action::Cut)
    }

    /// The broker is told nothing any more, and believes that the worker is gone; one in the database cannot.
    pub fn lose_broker(&self) {
        if let Some(broker) = &self.broker {
            broker.go_down();
        }
    }

    fn to_broker(&self) -> &Proxy {
        self.broker.as_ref().unwrap_or(&self.db)
    }
}

/// More than a worker has.
const CONNECTIONS: usize = 20;
