//! The ways from a server to its database.

#[cfg(any(feature = "postgres", feature = "mysql"))]
use idem_tests::proxy::Proxy;

/// How the servers reach their database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    Direct,
    /// Through a proxy that counts messages.
    Counted,
}

/// What stands between a server and its database.
#[derive(Debug)]
pub(crate) enum Link {
    Nothing,
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Counting(Proxy),
}

/// What a server has sent to its database.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) messages: usize,
    /// How often it waited for the database.
    pub(crate) round_trips: usize,
    pub(crate) statements: usize,
}

impl Link {
    /// What was sent since the last call, if it is counted.
    pub(crate) fn sent(&self) -> Option<Sent> {
        match self {
            Self::Nothing => None,
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Self::Counting(proxy) => {
                let traffic = proxy.traffic();
                proxy.forget();
                let parts =
                    |text: &String| text.split(';').filter(|one| !one.trim().is_empty()).count();
                Some(Sent {
                    messages: traffic.messages,
                    round_trips: traffic.round_trips,
                    statements: traffic.statements.iter().map(parts).sum(),
                })
            }
        }
    }
}
