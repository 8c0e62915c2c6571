//! The events of a payment for the consumers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A payment was captured, or a part of it was refunded.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Event {
    pub(crate) kind: Kind,
    pub(crate) tenant: String,
    pub(crate) payment: i64,
    pub(crate) amount: i64,
    pub(crate) currency: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) enum Kind {
    #[serde(rename = "payment.captured")]
    Captured,
    #[serde(rename = "payment.refunded")]
    Refunded,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Captured => "payment.captured",
            Self::Refunded => "payment.refunded",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_kind_has_the_same_name_in_the_outbox_and_in_the_payload() {
        for kind in [Kind::Captured, Kind::Refunded] {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.to_string());
        }
    }
}
