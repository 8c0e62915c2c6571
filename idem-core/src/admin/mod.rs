//! What operators ask for: records listed, counted, invalidated, swept and erased.

mod erase;
pub(crate) mod records;
mod rollout;
mod sweep;
pub(crate) mod view;
