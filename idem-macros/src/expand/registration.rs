//! The registration of the handler, for the policy that an application publishes.
//!
//! ```text
//! ::idem_axum::__private::register_operation! { __IDEM_SPEC, "tenant", __path_pay }
//! ```
//!
//! The macro it calls is empty unless `idem-axum` has the feature `policies`: this crate need not
//! know, and who does not publish a policy pays nothing. `__path_pay` is the type that
//! `#[utoipa::path]` leaves beside the handler. It is written `= __path_pay` if that attribute was
//! seen below this one; otherwise it may be there or not.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, format_ident, quote};

use crate::handler::openapi::Documentation;
use crate::options::{Options, Scope};

/// The call of the macro, for the handler of this name.
pub(crate) fn registration(
    name: &syn::Ident,
    options: &Options,
    documentation: Documentation,
) -> TokenStream {
    let scope = match &options.scope {
        Scope::Global => "global".to_owned(),
        Scope::Named(name) => name.value(),
        Scope::Type(ty) => written(&ty.to_token_stream()),
        Scope::Parameter(name) => name.to_string(),
    };
    let path = format_ident!("__path_{}", name);
    let seen = match documentation {
        Documentation::Below => Some(quote!(=)),
        Documentation::Unknown => None,
    };
    quote! {
        ::idem_axum::__private::register_operation! { __IDEM_SPEC, #scope, #seen #path }
    }
}

/// A type as it is usually written: `(Tenant, User)`, not `(Tenant , User)`.
fn written(tokens: &TokenStream) -> String {
    let text = tokens.to_string();
    let narrow = [
        (" ,", ","),
        (" :: ", "::"),
        (":: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
    ];
    narrow
        .iter()
        .fold(text, |text, (wide, narrow)| text.replace(wide, narrow))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Errors;
    use crate::options::parse;

    fn registered(name: &str, options: &str, documentation: Documentation) -> String {
        let options = parse(options.parse().unwrap(), &mut Errors::default());
        let name = syn::parse_str(name).unwrap();
        registration(&name, &options, documentation)
            .to_string()
            .replace(' ', "")
    }

    #[test]
    fn a_handler_registers_its_scope_and_the_type_of_its_openapi_operation() {
        let start = "::idem_axum::__private::register_operation!{__IDEM_SPEC,";
        let unknown = Documentation::Unknown;
        for (options, scope) in [
            ("scope = \"tenant\"", "\"tenant\""),
            ("scope = \"global\"", "\"global\""),
            (
                "scope = (my::Tenant, Extension<User>)",
                "\"(my::Tenant,Extension<User>)\"",
            ),
        ] {
            let expected = format!("{start}{scope},__path_pay}}");
            assert_eq!(registered("pay", options, unknown), expected);
        }
        let below = registered("r#move", "scope = \"global\"", Documentation::Below);
        assert_eq!(below, format!("{start}\"global\",=__path_move}}"));
    }
}
