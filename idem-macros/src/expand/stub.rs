//! Stands in for a handler that cannot be wrapped, so that one mistake brings no further errors.
//!
//! Were the function left out, each `post(pay)` would be a second error ("cannot find value
//! `pay`"). Were it left as written, axum would refuse it for its `Tx`. A function without
//! parameters that returns a `Response` is a handler in a router of any state.
//!
//! ```text
//! async fn pay(key: &str, mut tx: Tx<Pg>) -> Result<Paid, E> { body }      // `&str` is the mistake
//!
//! async fn pay() -> ::idem_axum::__private::Response {
//!     async fn pay(key: &str, mut tx: Tx<'_, Pg>) -> Result<Paid, E> { body }
//!     ::core::unreachable!()
//! }
//! compile_error! { "an extractor is an owned value, …" }
//! ```
//!
//! The program never runs: a stub stands beside an error.

use proc_macro2::TokenStream;
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{ItemFn, PatType, PathSegment, Visibility};

use crate::handler::inspect::find_self;
use crate::handler::transaction::elide_lifetime;

/// A function of the same name that any router accepts.
///
/// It keeps visibility and generics, so that `use` and `post(pay::<Repo>)` still hold, and allows
/// all warnings: what a mistake makes unused is no news.
pub(crate) fn stub(function: &ItemFn) -> TokenStream {
    let (vis, name) = (&function.vis, &function.sig.ident);
    let (generics, _, filters) = function.sig.generics.split_for_impl();
    let original = original(function);
    quote! {
        #[allow(warnings)]
        #vis async fn #name #generics () -> ::idem_axum::__private::Response #filters {
            #original
            ::core::unreachable!()
        }
    }
}

/// The function as written, if it can stand alone.
///
/// It keeps imports in use, and an editor can complete inside the body. A method cannot stand in a
/// function, `Self` would have no meaning there, and in a function that is not `async` each
/// `.await` is an error of its own (E0728): these are left out.
fn original(function: &ItemFn) -> Option<ItemFn> {
    let sig = &function.sig;
    let alone = sig.receiver().is_none() && find_self(sig, &function.block).is_none();
    if sig.asyncness.is_none() || !alone {
        return None;
    }
    let mut original = function.clone();
    original.vis = Visibility::Inherited;
    original.attrs.clear();
    let mut parameters = OrdinaryParameters { complete: true };
    parameters.visit_signature_mut(&mut original.sig);
    parameters.complete.then_some(original)
}

/// Makes ordinary Rust of the parameters: `Tx<'_, DB>` for `Tx<DB>`, no `#[tx]`.
///
/// Unlike [`take`](crate::handler::transaction::take) it goes to any depth, since a `Tx` in the
/// wrong place, such as `Option<Tx<DB>>`, may be the mistake itself.
struct OrdinaryParameters {
    complete: bool,
}

impl VisitMut for OrdinaryParameters {
    fn visit_pat_type_mut(&mut self, parameter: &mut PatType) {
        parameter.attrs.retain(|attr| !attr.path().is_ident("tx"));
        visit_mut::visit_pat_type_mut(self, parameter);
    }

    fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
        if segment.ident == "Tx" {
            self.complete &= !segment.arguments.is_empty() && elide_lifetime(segment).is_ok();
        }
        visit_mut::visit_path_segment_mut(self, segment);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stub_of(function: &str) -> String {
        stub(&syn::parse_str(function).unwrap())
            .to_string()
            .replace(' ', "")
    }

    #[test]
    fn the_stub_keeps_the_original_function_where_it_compiles() {
        let code = stub_of("pub async fn f(#[tx] a: Option<Tx<Pg>>, b: &str) { body() }");
        assert!(
            code.contains("pubasyncfnf()->::idem_axum::__private::Response{"),
            "{code}"
        );
        assert!(
            code.contains("asyncfnf(a:Option<Tx<'_,Pg>>,b:&str){body()}"),
            "{code}"
        );
    }

    #[test]
    fn the_stub_drops_the_original_function_where_it_does_not_compile() {
        for function in [
            "fn f() { body() }",
            "async fn f(&self) { body() }",
            "async fn f() { Self::body() }",
            "async fn f(tx: Tx) { body() }",
        ] {
            assert!(!stub_of(function).contains("body"), "{function}");
        }
    }
}
