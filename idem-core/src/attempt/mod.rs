//! The steps of an attempt that is enforced: claim, run, complete, commit.

pub(crate) mod claim;
pub(crate) mod complete;
pub(crate) mod decision;
pub(crate) mod fresh;
pub(crate) mod lock_keeper;
pub(crate) mod session;
pub(crate) mod tx;
pub(crate) mod without_tx;
