//! The constant that holds an operation's options at run time.
//!
//! ```text
//! #[idempotent(scope = "tenant", ttl = "1h 30m", store = "2xx, 409")]
//!
//! static __IDEM_SPEC: ::idem_axum::__private::Spec =
//!     ::idem_axum::__private::Spec::new(concat!(module_path!(), "::", "pay"))
//!     .ttl_ms(5400000)
//!     .store(true, false, &[409]);
//! ```
//!
//! A builder of `const fn`s, and not a struct literal: an option that is added to `Spec` later
//! changes no expansion. Only what was written is called, so everything else is the handle's
//! decision at run time. All amounts are numbers here (milliseconds, bytes); nothing is parsed when
//! the program runs.
//!
//! It is a `static` in the body of the wrapper: a generic handler has one for all of its instances.
//! `scope`, `state` and `plain` do not come here: they are types and names.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Path;
use syn::spanned::Spanned as _;

use crate::options::{Amount, Fingerprint, Options};

/// `static __IDEM_SPEC: Spec = …;` with one builder call for each option given.
///
/// The handler's path identifies it in logs. It does not name the operation: a function that moves
/// to another module would then forget the keys of its clients.
pub(crate) fn spec(name: &str, options: &Options) -> TokenStream {
    let options = [
        options.ttl.as_ref().map(|ttl| number("ttl_ms", ttl)),
        options
            .operation
            .as_ref()
            .map(|operation| quote!(.operation(#operation))),
        options.key_optional.then(|| quote!(.key_optional())),
        fingerprint(&options.fingerprint),
        fingerprint_headers(&options.fingerprint_headers),
        options
            .max_body
            .as_ref()
            .map(|size| number("max_body", size)),
        options
            .max_response
            .as_ref()
            .map(|size| number("max_response", size)),
        options.store.as_ref().map(|store| {
            let (success, redirect) = (store.success, store.redirect);
            let statuses = store.statuses.iter().copied().map(Literal::u16_unsuffixed);
            quote!(.store(#success, #redirect, &[#(#statuses),*]))
        }),
        options.reject.then(|| quote!(.reject())),
        options.wait.as_ref().map(|wait| number("wait_ms", wait)),
        options
            .timeout
            .as_ref()
            .map(|timeout| number("timeout_ms", timeout)),
        options.serializable.map(|_| quote!(.serializable())),
        options.expects_retries.then(|| quote!(.expects_retries())),
        options.run_late.then(|| quote!(.run_late())),
        options
            .refuse_late
            .as_ref()
            .map(|time| number("refuse_late_ms", time)),
    ];
    let options = options.iter().flatten();
    quote! {
        static __IDEM_SPEC: ::idem_axum::__private::Spec =
            ::idem_axum::__private::Spec::new(::core::concat!(::core::module_path!(), "::", #name))
            #(#options)*;
    }
}

/// A call with a number. It has no suffix: `max_body` takes a `u64`, `max_response` a `usize`.
fn number(option: &str, amount: &Amount) -> TokenStream {
    let option = Ident::new(option, Span::mixed_site());
    let value = Literal::u64_unsuffixed(amount.value);
    quote!(.#option(#value))
}

/// The call for the form of the fingerprint.
///
/// The closure captures nothing and so becomes a function pointer, which a `static` can hold. It
/// has the path's span: a function of another signature is reported where the option names it.
fn fingerprint(fingerprint: &Fingerprint) -> Option<TokenStream> {
    match fingerprint {
        Fingerprint::Body => None,
        Fingerprint::Json => Some(quote!(.fingerprint_json())),
        Fingerprint::With(path) => {
            let name = name_of(path);
            Some(quote_spanned! {path.span()=>
                .fingerprint_with(#name, |input| ::idem_axum::__private::custom_digest(#path(input)))
            })
        }
    }
}

/// The path as it is written: records know the function by it.
///
/// A record whose function has another name is replayed without a comparison, with a warning in the
/// log. So a function is renamed when it compares something else, and only then. Another path to
/// the same function is another name.
fn name_of(path: &Path) -> String {
    let segments = path
        .segments
        .iter()
        .map(|segment| segment.ident.to_string());
    segments.collect::<Vec<_>>().join("::")
}

fn fingerprint_headers(names: &[String]) -> Option<TokenStream> {
    (!names.is_empty()).then(|| quote!(.fingerprint_headers(&[#(#names),*])))
}
