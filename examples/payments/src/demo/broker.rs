//! The worker's broker: the one that was named, else one of this run's own.

use std::io;
use std::path::Path;

use super::nats::Server;

/// A broker for one run.
pub(super) struct Broker {
    url: String,
    own: Option<Server>,
}

/// The broker that is a table of the database, and always there.
const TABLE: &str = "embedded";

impl Broker {
    /// The named broker. Without a name, this run's own NATS where this build and this machine have it, else the table.
    ///
    /// # Errors
    ///
    /// NATS does not start.
    pub(super) async fn start(named: Option<String>, folder: &Path) -> io::Result<Self> {
        let own = match cfg!(feature = "nats") && named.is_none() {
            true => Server::start(folder).await?,
            false => None,
        };
        let url = named.or_else(|| own.as_ref().map(|own| own.url().to_owned()));
        Ok(Self {
            url: url.unwrap_or_else(|| TABLE.to_owned()),
            own,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// Stops what was started.
    ///
    /// # Errors
    ///
    /// The system refuses.
    pub(super) async fn stop(self) -> io::Result<()> {
        match self.own {
            Some(own) => own.stop().await,
            None => Ok(()),
        }
    }
}
