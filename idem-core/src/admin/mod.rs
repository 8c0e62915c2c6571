//! What operators ask for: records listed, counted, invalidated, swept and erased.

pub(crate) mod records;
pub(crate) mod sweep;
pub(crate) mod view;
