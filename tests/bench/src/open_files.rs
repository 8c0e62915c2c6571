//! How many files a process may have open, since each connection of a load is one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lets this process and those that it starts open as many as the system allows.
pub(crate) fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    // Else the load has fewer connections.
    let _stays_as_it_was = setrlimit(Resource::Nofile, raised);
}

/// How many requests of a load may be open. Others wait on the client's side, as they would for a port.
pub(crate) fn most_open() -> usize {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    // A node in this process has the other half.
    usize::try_from(files / 2 - files / 8).map_or(MOST_OPEN, |half| half.min(MOST_OPEN))
}

/// A client has 28 000 ports to one server.
const MOST_OPEN: usize = 10_000;
