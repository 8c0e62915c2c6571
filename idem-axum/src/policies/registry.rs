//! The handlers of the program, collected by the linker.
//!
//! The attribute cannot see a router, nor a router its handlers' options. So each expansion submits
//! its spec to a list that is complete before `main` begins. A handler is in the list if its crate
//! is linked, whether or not it is routed. Without the feature the macro below expands to nothing.
//!
//! ```text
//! async fn pay(request: IdempotentRequest<…>) -> Response {
//!     static __IDEM_SPEC: Spec = …;
//!     register_operation! { __IDEM_SPEC, "tenant", __path_pay }
//!     …
//! }
//! ```
//!
//! # How a handler finds its OpenAPI operation
//!
//! `#[utoipa::path]` on `pay` leaves the type `__path_pay` beside it, and the attribute cannot know
//! whether it is there. So the expansion has a type of that name itself, in the function's body,
//! and names it in a block that imports the module by a glob. A glob is nearer than the body, so the
//! module's type is found if there is one, else the body's own, which documents nothing.
//!
//! A module may have the name by `use super::*`, from a handler of the same name above it. The
//! type's own path then differs from the handler's module, and counts as none.
//!
//! A handler within a function is in no module, and the glob cannot see its type. If
//! `#[utoipa::path]` stands below `#[idempotent]`, the attribute has seen it, and names the type
//! without that detour.

use std::fmt;

#[cfg(feature = "utoipa")]
use crate::policies::documented::Documented;
use crate::spec::Spec;

/// A handler with `#[idempotent]`.
pub struct RegisteredHandler {
    pub(crate) spec: &'static Spec,
    /// As the attribute has it: a name, or a type.
    pub(crate) scope: &'static str,
    #[cfg(feature = "utoipa")]
    pub(crate) documented: Option<fn() -> Option<Documented>>,
}

inventory::collect!(RegisteredHandler);

impl RegisteredHandler {
    /// A handler without an OpenAPI operation.
    pub const fn new(spec: &'static Spec, scope: &'static str) -> Self {
        Self {
            spec,
            scope,
            #[cfg(feature = "utoipa")]
            documented: None,
        }
    }

    /// The handler with what may be its OpenAPI operation.
    #[cfg(feature = "utoipa")]
    #[must_use]
    pub const fn documented(mut self, read: fn() -> Option<Documented>) -> Self {
        self.documented = Some(read);
        self
    }

    /// All of the program, in the order of their paths. The linker's own order may change with
    /// each build.
    pub(crate) fn all() -> Vec<&'static Self> {
        let mut all: Vec<_> = inventory::iter::<Self>().collect();
        all.sort_by_key(|handler| handler.spec.item);
        all
    }
}

impl fmt::Debug for RegisteredHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegisteredHandler")
            .field("handler", &self.spec.item)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[allow(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::wildcard_imports,
    reason = "the macro is of another crate wherever else it is used"
)]
mod tests {
    use super::*;

    static PAY: Spec = Spec::new("app::pay");
    static REFUND: Spec = Spec::new("app::refund");

    /// The document's operation is tested where `#[utoipa::path]` is.
    #[test]
    fn each_call_of_the_macro_registers_a_handler_before_the_program_starts() {
        crate::__register_operation! { PAY, "tenant", __path_pay }
        const _: () = {
            crate::__register_operation! { REFUND, "global", __path_refund }
        };
        let all = RegisteredHandler::all();
        let found: Vec<_> = all.iter().map(|one| (one.spec.item, one.scope)).collect();
        assert_eq!(found, [("app::pay", "tenant"), ("app::refund", "global")]);
    }
}
