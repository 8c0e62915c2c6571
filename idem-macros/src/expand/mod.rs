//! The expansion: one small wrapper around the user's function.
//!
//! ```text
//! #[idempotent(scope = "tenant", ttl = "24h")]
//! async fn pay(State(app): State<App>, mut tx: Tx<Pg>, Json(new): Json<New>) -> Result<Paid, E> { … }
//!
//! async fn pay(request: IdempotentRequest<WithTx<Pg>, NamedScope<…>, (State<App>,), Json<New>>)
//!     -> Response
//! {
//!     async fn pay(State(app): State<App>, mut tx: Tx<'_, Pg>, …) -> Result<Paid, E> { … }
//!     fn __idem_checks() { … }                 // see `checks`
//!     static __IDEM_SPEC: Spec = …;            // see `spec`
//!     register_operation! { … }                // see `registration`
//!     …prepare, run, begin, supervise, finish  // see `run`
//! }
//! ```
//!
//! `private.rs` of `idem-axum` has the same with the four calls written out.
//!
//! # Why this shape
//!
//! * **One parameter that extracts all others.** axum calls the extractors of a handler itself, and
//!   the last one consumes the request. Only an extractor around them can read the key first and
//!   the body between two of them.
//! * **The handler inside the wrapper.** Nothing beside the function is added to its module: a unit
//!   struct that implements `Handler` would collide with a module of the same name (E0255), could
//!   not be generic and could not stand in an `impl` block.
//! * **A function still.** `post(pay)`, `post(pay::<Repo>)`, go-to-definition and documentation
//!   work as for any handler, and axum infers the router's state as usual.
//! * **No code per number of parameters.** The parts are one tuple, for which axum implements
//!   `FromRequestParts` itself.
//!
//! The wrapper has as little code as possible, since it is compiled once for each handler. Whatever
//! does not depend on the user's types is a plain function in `idem-axum`, and what crosses the
//! boundary is boxed.
//!
//! # Spans
//!
//! A token's span does two things: it says which names it can see, and where errors stand.
//! [`hidden`] separates them. The wrapper's own locals (`request`, `attempt`, `parts`, `last`) are
//! invisible to the user's tokens, also where an error about them is shown on the user's line. The
//! user's own tokens keep their spans.

mod checks;
pub(crate) mod docs;
mod registration;
pub(crate) mod scope;
mod spec;
pub(crate) mod stub;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Index, ReturnType, Type};

use crate::expand::checks::checks;
use crate::expand::registration::registration;
use crate::expand::scope::scope_type;
use crate::expand::spec::spec;
use crate::handler::attributes::Attributes;
use crate::handler::{Argument, Handler};
use crate::options::Options;

/// The handler wrapped, and the function as written when `plain = …` asks for it.
///
/// The state to check against is, in this order: the option `state`, the one of a dropped
/// `#[debug_handler(state = …)]`, the `T` of the handler's `State<T>`.
///
/// A dropped `#[debug_handler]` would leave its import unused, which `deny(unused_imports)` makes
/// an error; `const _: () = { use debug_handler as _; }` uses it.
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
    let registration = registration(name, options, attributes.documentation);
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
            #registration
            #run
        }
        #plain
    }
}

/// The type of the wrapper's one parameter, which extracts the handler's arguments in Idem's order.
///
/// It holds the four things that the compiler must know: whether there is a `Tx` and of which
/// database, the scope, the extractors before the body, the last extractor. Whatever else the
/// options say is a value, in the spec, and makes no new type. A handler without extractors has
/// `()` in the place of the last one, which axum extracts from anything.
fn request_type(handler: &Handler, options: &Options) -> TokenStream {
    let mode = match &handler.tx {
        Some(tx) => {
            let database = &tx.database;
            quote_spanned!(database.span()=> ::idem_axum::__private::WithTx<#database>)
        }
        None => quote!(::idem_axum::__private::NoTx),
    };
    let (scope, _) = scope_type(&options.scope);
    let parts =
        handler
            .parts
            .iter()
            .enumerate()
            .map(|(number, ty)| match handler.party == Some(number) {
                true => quote_spanned!(ty.span()=> ::idem_axum::__private::Party<#ty>),
                false => ty.to_token_stream(),
            });
    let last = handler
        .last
        .as_ref()
        .map_or_else(|| quote!(()), Type::to_token_stream);
    quote! {
        ::idem_axum::__private::IdempotentRequest<#mode, #scope, (#(#parts,)*), #last>
    }
}

/// The life of a request: preparation, and within `run` the claim, the handler, the completion.
///
/// * `attempt` is shadowed by its next state, so that a former state cannot be used again.
/// * The block around the handler borrows `attempt` for the `Tx` only until the handler has
///   returned; `attempt.finish` then consumes it. So nothing of the handler outlives its
///   transaction, and the compiler checks that (E0521 for a `Tx` moved into a task).
/// * `async move` takes parts and last along: the handler runs on a task of its own, which must own
///   what it uses. The bound `Send + 'static` is on `run`, and its error stands on the handler's
///   name.
/// * `respond` is an inherent method for a `Result` and a method of the trait for all else, hence
///   the `use`. Its span is the return type: "is no response" stands there.
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
    // Before the `Tx`, which borrows the attempt for as long as the handler runs.
    let keys = handler.arguments.contains(&Argument::Keys);
    let keys = keys.then(|| quote_spanned!(span=> let keys = attempt.downstream_keys();));
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
        attempt.run(move |#mutable attempt| async move {
            let result = {
                let deadline = attempt.deadline();
                #keys
                let handler = ::core::pin::pin!(async {
                    use ::idem_axum::__private::AnyHandlerOutput as _;
                    ::idem_axum::__private::HandlerOutput(#name #turbofish (#(#arguments),*).await) #respond
                });
                ::idem_axum::__private::supervise(deadline, handler).await
            };
            attempt.finish(result).await
        })
        .await
    }
}

/// A span whose locals the user's tokens cannot see, nor the other way round.
///
/// `mixed_site` is the hygiene of `macro_rules!`: locals resolve at the macro, all else at the
/// caller. `located_at` changes only where an error stands.
fn hidden(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// The expression for one parameter of the handler.
fn argument(source: &Argument, span: Span) -> TokenStream {
    match source {
        Argument::Tx => quote_spanned!(span=> attempt.tx()),
        Argument::Keys => quote_spanned!(span=> keys),
        Argument::Part(number) => {
            let number = Index::from(*number);
            quote_spanned!(span=> parts.#number)
        }
        Argument::Party(number) => {
            let number = Index::from(*number);
            quote_spanned!(span=> parts.#number.0)
        }
        Argument::Last => quote_spanned!(span=> last),
    }
}

/// The function as written, under another name.
///
/// A unit test calls it without HTTP, with a `Tx` of its own. It has the handler's own attributes
/// and visibility, and `allow(dead_code)`: only tests may call it.
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
        let item = syn::parse_str(function).unwrap();
        let handler = Handler::check(item, &options.scope, &mut errors);
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
    fn the_parameter_that_is_the_scope_is_extracted_once_and_before_the_body() {
        for (function, parts, call) in [
            (
                "async fn f(claims: Claims, tx: Tx<Pg>, b: Json<B>) {}",
                "ExtractedScope,(::idem_axum::__private::Party<Claims>,),Json<B>>",
                "f(parts.0.0,attempt.tx(),last).await",
            ),
            (
                "async fn f(a: A, Extension(claims): Extension<Claims>) {}",
                "ExtractedScope,(A,::idem_axum::__private::Party<Extension<Claims>>,),()>",
                "f(parts.0,parts.1.0).await",
            ),
        ] {
            let code = expanded("scope = claims", function);
            assert!(code.contains(parts), "{code}");
            assert!(code.contains(call), "{code}");
        }
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
             fingerprint = my::digest, fingerprint_headers = [\"X-A\"], in_flight = \"wait 5s\", \
             expect = retries, late_retries = \"refuse 1d\"",
            "async fn f() {}",
        );
        let spec = "Spec::new(::core::concat!(::core::module_path!(),\"::\",\"f\")).ttl_ms(1000)\
                    .fingerprint_with(\"my::digest\",|input|::idem_axum::__private::custom_digest(my::digest(input)))\
                    .fingerprint_headers(&[\"x-a\"]).store(true,false,&[409]).wait_ms(5000)\
                    .serializable().expects_retries().refuse_late_ms(86400000);";
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
