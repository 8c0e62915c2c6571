//! What one process knows and holds: its running attempts, and its connections.

pub(crate) mod connection;
pub(crate) mod in_flight;
pub(crate) mod recent_requests;
