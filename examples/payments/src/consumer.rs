//! The consumers of events, by name.

use std::error::Error;
use std::fmt;

use crate::database::Connection;
use crate::event::Event;
use crate::object::Object;
use crate::{ledger, receipts};

/// The consumers; each handles every event once.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Consumer {
    Ledger,
    Receipts,
}

impl Consumer {
    pub(crate) const ALL: [Self; 2] = [Self::Ledger, Self::Receipts];

    /// Names its queue at the broker and its records in the inbox.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Receipts => "receipts",
        }
    }

    /// Handles the message. An error rolls back.
    pub(crate) async fn handle(
        self,
        conn: &mut Connection,
        message_id: &[u8],
        payload: &[u8],
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let Object(event): Object<Event> = serde_json::from_slice(payload)?;
        let message_id = String::from_utf8_lossy(message_id);
        match self {
            Self::Ledger => ledger::book(conn, &message_id, &event).await?,
            Self::Receipts => receipts::write(conn, &message_id, &event).await?,
        }
        Ok(())
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
