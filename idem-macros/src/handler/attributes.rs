//! The attributes beside `#[idempotent]`: which go to the wrapper, which to the handler inside it.
//!
//! | attribute | wrapper | handler inside | why |
//! | --- | --- | --- | --- |
//! | `doc`, `deprecated`, `must_use` | yes | | others see and call the wrapper |
//! | `allow` | yes | yes | the wrapper repeats the handler's types |
//! | `expect` | as `allow` | yes | the body fulfils it; the wrapper need not |
//! | `warn`, `deny`, `forbid`, `inline`, `cold`, `track_caller` | | yes | they are about the user's code |
//! | those of a tool, such as `rustfmt::skip` | | yes | the tool looks at the user's code |
//! | `debug_handler` | | | dropped: the checks take its place |
//! | unknown | | | may be a macro, and expands first |
//! | unknown, and no macro is left below | yes | | it is the compiler's |
//!
//! The compiler has expanded `cfg` and `cfg_attr` above the attribute before it runs; those below
//! are still there. They are unknown here, so the attribute moves behind them, and the compiler
//! evaluates them before it runs again.

use quote::ToTokens as _;
use syn::punctuated::Punctuated;
use syn::{Attribute, Error, MetaNameValue, Path, Result, Token, Type};

use crate::handler::inspect::name;
use crate::handler::openapi::Documentation;

/// The attributes of a handler, by where they belong.
#[derive(Default)]
pub(crate) struct Attributes {
    /// What others see: documentation, deprecation.
    pub(crate) outer: Vec<Attribute>,
    /// What the compiler does with the body: lints, inlining.
    pub(crate) inner: Vec<Attribute>,
    /// What the policy adds to the documentation.
    pub(crate) policy: Vec<Attribute>,
    /// `#[debug_handler]`, whose checks the attribute makes itself.
    pub(crate) debug_handler: Vec<Attribute>,
    /// What the first expansion has seen of `#[utoipa::path]`.
    pub(crate) documentation: Documentation,
}

impl Attributes {
    /// Sorts the attributes; `Ok(None)` if one of them is a macro that must see the function first.
    ///
    /// `innermost` is true if no macro is left below: unknown attributes are then the compiler's.
    ///
    /// A macro cannot be told from an attribute of the compiler by its name, so the list of known
    /// ones decides. One that is missing in it costs an expansion and is no mistake.
    ///
    /// # Errors
    ///
    /// A second `#[idempotent]`, and an `#[expect]` without a list.
    pub(crate) fn sort(attrs: Vec<Attribute>, innermost: bool) -> Result<Option<Self>> {
        let mut sorted = Self::default();
        for attr in attrs {
            match name(attr.path()).as_str() {
                "idempotent" => return Err(Error::new_spanned(attr, TWICE)),
                "debug_handler" => sorted.debug_handler.push(attr),
                "allow" => {
                    sorted.outer.push(attr.clone());
                    sorted.inner.push(attr);
                }
                "expect" => {
                    sorted.outer.push(allowed(&attr)?);
                    sorted.inner.push(attr);
                }
                "doc" | "deprecated" | "must_use" => sorted.outer.push(attr),
                "warn" | "deny" | "forbid" | "inline" | "cold" | "track_caller" => {
                    sorted.inner.push(attr);
                }
                _ if is_of_a_tool(attr.path()) => sorted.inner.push(attr),
                _ if innermost => sorted.outer.push(attr),
                _ => return Ok(None),
            }
        }
        Ok(Some(sorted))
    }

    /// The state named by `#[debug_handler(state = AppState)]`.
    ///
    /// A handler that is moved under `#[idempotent]` keeps the checks that it had.
    pub(crate) fn debug_state(&self) -> Option<Type> {
        let options = Punctuated::<MetaNameValue, Token![,]>::parse_terminated;
        // The attribute is dropped, so a mistake in it does not matter.
        let parsed = self
            .debug_handler
            .iter()
            .filter_map(|attr| attr.parse_args_with(options).ok());
        let state = parsed
            .flatten()
            .find(|option| option.path.is_ident("state"))?;
        syn::parse2(state.value.into_token_stream()).ok()
    }
}

/// The wrapper repeats the handler's types, so an expected lint fires twice.
///
/// A deprecated extractor, for one, is named in the wrapper's signature too. A lint about the body
/// does not fire there, and an `expect` would then warn that it is unfulfilled.
fn allowed(expect: &Attribute) -> Result<Attribute> {
    let lints = &expect.meta.require_list()?.tokens;
    Ok(syn::parse_quote!(#[allow(#lints)]))
}

/// Whether the attribute belongs to a tool that the compiler knows.
///
/// The path needs a second segment: `rustfmt` alone would be a macro of that name.
fn is_of_a_tool(path: &Path) -> bool {
    let tools = ["clippy", "diagnostic", "miri", "rust_analyzer", "rustfmt"];
    path.segments.len() > 1
        && path
            .segments
            .first()
            .is_some_and(|tool| tools.contains(&tool.ident.to_string().as_str()))
}

const TWICE: &str = "`#[idempotent]` is given twice: one attribute holds all the options";

#[cfg(test)]
mod tests {
    use super::*;

    fn sort(attrs: &[Attribute], innermost: bool) -> Result<Option<Attributes>> {
        Attributes::sort(attrs.to_vec(), innermost)
    }

    fn text(attrs: &[Attribute]) -> String {
        attrs
            .iter()
            .map(|attr| attr.to_token_stream().to_string())
            .collect()
    }

    #[test]
    fn lints_go_to_the_body_and_docs_to_the_wrapper() {
        let attrs: [Attribute; 3] = [
            syn::parse_quote!(#[doc = "x"]),
            syn::parse_quote!(#[inline]),
            syn::parse_quote!(#[expect(unused)]),
        ];
        let sorted = sort(&attrs, false).unwrap().unwrap();
        assert_eq!(text(&sorted.outer), "# [doc = \"x\"]# [allow (unused)]");
        assert_eq!(text(&sorted.inner), "# [inline]# [expect (unused)]");
    }

    #[test]
    fn an_attribute_macro_below_is_expanded_first_and_only_once() {
        let attrs: [Attribute; 1] = [syn::parse_quote!(#[tracing::instrument])];
        assert!(sort(&attrs, false).unwrap().is_none());
        assert_eq!(sort(&attrs, true).unwrap().unwrap().outer.len(), 1);
    }

    #[test]
    fn a_second_idempotent_attribute_is_refused() {
        assert!(
            sort(
                &[syn::parse_quote!(#[idem_axum::idempotent(scope = "a")])],
                true
            )
            .is_err()
        );
    }

    #[test]
    fn debug_handler_is_recognised_with_its_state() {
        let sorted = sort(
            &[syn::parse_quote!(#[axum::debug_handler(state = App)])],
            false,
        );
        let state = sorted.unwrap().unwrap().debug_state();
        assert_eq!(state.to_token_stream().to_string(), "App");
    }
}
