//! The ways from a server to its database.

use std::time::Duration;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use idem_tests::proxy::Proxy;

#[cfg(any(feature = "postgres", feature = "mysql"))]
use crate::delay::Delaying;
use crate::turn::milliseconds;

/// How the servers reach their database.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Route {
    Direct,
    /// Through a proxy that counts messages.
    Counted,
    /// Through a proxy that passes on each message so much later.
    Delayed(Duration),
}

/// What stands between a server and its database.
#[derive(Debug)]
pub(crate) enum Link {
    Nothing,
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Counting(Proxy),
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    Delaying(Delaying),
}

/// What a server has sent to its database for one request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// How often it has sent something and waited for the answer.
    pub(crate) messages: f64,
    pub(crate) statements: f64,
}

impl Link {
    /// What was sent for each of so many requests since the last call, if it is counted.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mysql")),
        expect(unused_variables, reason = "nothing is sent")
    )]
    pub(crate) fn sent(&self, requests: usize) -> Option<Sent> {
        match self {
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Self::Counting(proxy) => {
                let traffic = proxy.traffic();
                proxy.forget();
                let parts = |text: &String| {
                    let parts = text.split(';').filter(|one| !one.trim().is_empty());
                    parts.count()
                };
                let statements: usize = traffic.statements.iter().map(parts).sum();
                let each = |count: usize| count as f64 / requests as f64;
                Some(Sent {
                    messages: each(traffic.round_trips),
                    statements: each(statements),
                })
            }
            _ => None,
        }
    }

    /// How much later messages were passed on, as the mean of all so far.
    pub(crate) fn mean_delay(&self) -> Option<Duration> {
        match self {
            #[cfg(any(feature = "postgres", feature = "mysql"))]
            Self::Delaying(proxy) => proxy.mean(),
            _ => None,
        }
    }
}

impl Route {
    /// What it adds to the title of a table.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Delayed(delay) => format!(", each message {} ms later", milliseconds(delay)),
            _ => String::new(),
        }
    }
}
