//! What a crate above this one keeps with a handle.
//!
//! A front end has settings of its own, which belong to the same handle, and this crate must not
//! know their types. So the handle has one slot of a type that is erased. It holds one extension:
//! two front ends over one handle would have to share it.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::metrics;

/// What a crate above this one keeps with a handle: settings of its own, and what they count.
///
/// The engine knows no HTTP type, and an application has one builder and one handle all the same.
pub trait Extension: Any + fmt::Debug + Send + Sync {
    /// Sets the gauges of what it counts.
    fn update_gauges(&self) {}
}

/// The place in a handle for one extension.
#[derive(Default)]
pub(crate) struct ExtensionSlot(OnceLock<Arc<dyn Extension>>);

impl ExtensionSlot {
    /// Changes the extension while nobody else has it.
    pub(crate) fn change<T: Extension + Default>(&mut self, change: impl FnOnce(&mut T)) {
        self.0.get_or_init(|| Arc::new(T::default()));
        let extension: Option<&mut dyn Any> = match self.0.get_mut().and_then(Arc::get_mut) {
            Some(extension) => Some(extension),
            None => None,
        };
        if let Some(extension) = extension.and_then(<dyn Any>::downcast_mut) {
            change(extension);
        }
    }

    /// The extension, with its defaults if nobody has changed it.
    pub(crate) fn get<T: Extension + Default>(&self) -> Arc<T> {
        let slot = self.0.get_or_init(|| Arc::new(T::default()));
        let extension: Arc<dyn Any + Send + Sync> = Arc::<dyn Extension>::clone(slot);
        extension.downcast().unwrap_or_default()
    }

    pub(crate) fn update_gauges(&self) {
        match self.0.get() {
            Some(extension) => extension.update_gauges(),
            // Nobody has asked for settings that a body needs, so none is being read.
            None => metrics::buffered(0),
        }
    }
}

impl fmt::Debug for ExtensionSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.get().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Limit(usize);

    impl Extension for Limit {}

    #[test]
    fn an_extension_keeps_its_changes_and_is_shared() {
        let mut slot = ExtensionSlot::default();
        slot.change(|limit: &mut Limit| limit.0 = 1);
        slot.change(|limit: &mut Limit| limit.0 += 1);
        assert_eq!(slot.get::<Limit>().0, 2);
        assert!(Arc::ptr_eq(&slot.get::<Limit>(), &slot.get::<Limit>()));
        assert_eq!(format!("{slot:?}"), "Some(Limit(2))");
    }

    #[test]
    fn an_unchanged_extension_is_shared_too() {
        let slot = ExtensionSlot::default();
        assert!(Arc::ptr_eq(&slot.get::<Limit>(), &slot.get::<Limit>()));
    }
}
