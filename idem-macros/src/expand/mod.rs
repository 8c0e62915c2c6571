//! The expansion: one small wrapper around the user's function.

mod checks;
pub(crate) mod docs;
pub(crate) mod scope;
mod spec;
pub(crate) mod stub;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Index, ReturnType, Type};

use crate::expand::checks::checks;
use crate::expand::scope::scope_type;
use crate::expand::spec::spec;
use crate::handler::attributes::Attributes;
use crate::handler::{Argument, Handler};
use crate::options::Options;

/// The handler wrapped, and the function as written when `plain = …` asks for it.
pub(crate) fn expand(handler: &Handler, attributes: &Attributes, options: &Options) -> TokenStream {
    let Handler {
        vis, sig, block, ..
    } = handler;
    let (name, generics, filters) = (&sig.ident, &sig.generics, &sig.generics.where_clause);
    let Attributes {
        outer,
        inner,
        policy,
        ..
    } = attributes;
    let request = request_type(handler, options);
    let used = attributes.debug_handler.iter().map(|attr| attr.path());
    let state = options.state.clone().or_else(|| attributes.debug_state());
    let checks = checks(handler, options, state.as_ref().or(handler.state()));
    let spec = spec(&name.unraw().to_string(), options);
    let run = run(handler);
    let plain = plain(handler, attributes, options);
    quote_spanned! {hidden(Span::call_site())=>
        #(#outer)*
        #(#policy)*
        #vis async fn #name #generics (request: #request) -> ::idem_axum::__private::Response #filters {
            #(#inner)*
            #sig #block
            #(const _: () = { use #used as _; };)*
            #checks
            #spec
            #run
        }
        #plain
    }
}

/// The type of the wrapper's one parameter, which extracts the handler's arguments in Idem's order.
fn request_type(handler: &Handler, options: &Options) -> TokenStream {
    let mode = match &handler.tx {
        Some(tx) => {
            let database = &tx.database;
            quote_spanned!(database.span()=> ::idem_axum::__private::WithTx<#database>)
        }
        None => quote!(::idem_axum::__private::NoTx),
    };
    let (scope, _) = scope_type(&options.scope);
    let parts = &handler.parts;
    let last = handler
        .last
        .as_ref()
        .map_or_else(|| quote!(()), Type::to_token_stream);
    quote! {
        ::idem_axum::__private::IdempotentRequest<#mode, #scope, (#(#parts,)*), #last>
    }
}

/// The life of a request: claim, handler, completion.
fn run(handler: &Handler) -> TokenStream {
    let name = &handler.sig.ident;
    let generics = handler.sig.generics.split_for_impl().1;
    let turbofish = generics.as_turbofish();
    let arguments = handler
        .arguments
        .iter()
        .map(|source| argument(source, hidden(name.span())));
    let mutable = handler.tx.as_ref().map(|_| quote!(mut));
    // Errors about the handler as a whole stand on its name.
    let span = hidden(name.span());
    let answer = match &handler.sig.output {
        ReturnType::Default => span,
        ReturnType::Type(_, ty) => hidden(ty.span()),
    };
    let respond = quote_spanned!(answer=> .respond());
    // No type is named here: where `request` has none, one error is enough.
    quote_spanned! {span=>
        let prepared = match request.prepare(&__IDEM_SPEC).await {
            ::core::result::Result::Ok(prepared) => prepared,
            ::core::result::Result::Err(answer) => return answer,
        };
        let (attempt, parts, last) = (prepared.attempt, prepared.parts, prepared.last);
        attempt.run(move |attempt| async move {
            let #mutable attempt = match attempt.begin().await {
                ::core::result::Result::Ok(attempt) => attempt,
                ::core::result::Result::Err(answer) => return answer,
            };
            let result = ::idem_axum::__private::supervise(attempt.deadline(), async {
                use ::idem_axum::__private::AnyHandlerOutput as _;
                ::idem_axum::__private::HandlerOutput(#name #turbofish (#(#arguments),*).await) #respond
            })
            .await;
            attempt.finish(result).await
        })
        .await
    }
}

/// A span whose locals the user's tokens cannot see, nor the other way round.
fn hidden(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

fn argument(source: &Argument, span: Span) -> TokenStream {
    match source {
        Argument::Tx => quote_spanned!(span=> attempt.tx()),
        Argument::Part(number) => {
            let number = Index::from(*number);
            quote_spanned!(span=> parts.#number)
        }
        Argument::Last => quote_spanned!(span=> last),
    }
}

/// The function as written, under another name.
fn plain(handler: &Handler, attributes: &Attributes, options: &Options) -> Option<TokenStream> {
    let Handler {
        vis, sig, block, ..
    } = handler;
    let Attributes { outer, inner, .. } = attributes;
    let mut sig = sig.clone();
    sig.ident = options.plain.clone()?;
    Some(quote! {
        #(#outer)*
        #(#inner)*
        #[allow(dead_code)]
        #vis #sig #block
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::errors::Errors;
    use crate::options::parse;

    /// The expansion without blanks, which would make the tests depend on the printer.
    fn expanded(options: &str, function: &str) -> String {
        let mut errors = Errors::default();
        let options = parse(options.parse().unwrap(), &mut errors);
        let handler = Handler::check(syn::parse_str(function).unwrap(), &mut errors);
        assert_eq!(errors.texts(), [""; 0]);
        let code = expand(&handler.unwrap(), &Attributes::default(), &options);
        code.to_string().replace(' ', "")
    }

    #[test]
    fn the_wrapper_takes_one_request() {
        let code = expanded(
            "scope = Tenant, max_body = \"64KiB\", key = optional",
            "pub async fn pay(a: State<App>, mut tx: Tx<Pg>, b: Json<New>) -> R { body }",
        );
        let request = "pubasyncfnpay(request:::idem_axum::__private::IdempotentRequest<\
                       ::idem_axum::__private::WithTx<Pg>,Tenant,(State<App>,),Json<New>>)\
                       ->::idem_axum::__private::Response";
        assert!(code.contains(request), "{code}");
        assert!(code.contains(".key_optional().max_body(65536);"), "{code}");
        assert!(
            code.contains("pay(parts.0,attempt.tx(),last).await"),
            "{code}"
        );
        assert!(
            code.contains("asyncfnpay(a:State<App>,muttx:Tx<'_,Pg>,b:Json<New>)->R{body}"),
            "{code}"
        );
    }

    #[test]
    fn a_handler_without_parameters_takes_a_request_without_extractors() {
        let code = expanded("scope = \"global\"", "async fn f() {}");
        let request = "IdempotentRequest<::idem_axum::__private::NoTx,\
                       ::idem_axum::__private::Global,(),()>";
        assert!(code.contains(request), "{code}");
        assert!(!code.contains("key_optional"), "{code}");
        assert!(!code.contains("mutattempt"), "{code}");
    }

    #[test]
    fn generics_are_passed_through() {
        let code = expanded(
            "scope = global",
            "async fn f<T: A, const N: usize>(b: Json<T>) where T: B {}",
        );
        assert!(
            code.contains("asyncfnf<T:A,constN:usize>(request:"),
            "{code}"
        );
        assert!(
            code.contains("Response whereT:B{".replace(' ', "").as_str()),
            "{code}"
        );
        assert!(code.contains("f::<T,N>(last).await"), "{code}");
        assert!(!code.contains("__idem_checks"), "{code}");
    }

    #[test]
    fn options_become_builder_calls_in_a_fixed_order() {
        let code = expanded(
            "scope = global, isolation = serializable, ttl = \"1s\", store = \"2xx, 409\", \
             fingerprint = my::digest, fingerprint_headers = [\"X-A\"], in_flight = \"wait 5s\"",
            "async fn f() {}",
        );
        let spec = "Spec::new(::core::concat!(::core::module_path!(),\"::\",\"f\")).ttl_ms(1000)\
                    .fingerprint_with(\"my::digest\",|input|::idem_axum::__private::custom_digest(my::digest(input)))\
                    .fingerprint_headers(&[\"x-a\"]).store(true,false,&[409]).wait_ms(5000)\
                    .serializable();";
        assert!(code.contains(spec), "{code}");
    }

    #[test]
    fn the_plain_option_emits_the_function_as_written() {
        let code = expanded(
            "scope = global, plain = g",
            "pub async fn f(tx: Tx<Pg>) { body }",
        );
        assert!(
            code.ends_with("#[allow(dead_code)]pubasyncfng(tx:Tx<'_,Pg>){body}"),
            "{code}"
        );
    }
}
