//! From the checked handler to what the compiler sees: one small wrapper around the user's function.

use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{Index, Type};

use crate::args::Args;
use crate::attrs::Attrs;
use crate::checks::{checks, scope_type};
use crate::handler::{Handler, Parameter};
use crate::spec::spec;

/// The handler wrapped, and the function as written when `plain = …` asks for it.
pub(crate) fn expand(handler: &Handler, attrs: &Attrs, args: &Args) -> TokenStream {
    let Handler {
        vis, sig, block, ..
    } = handler;
    let (name, generics, filters) = (&sig.ident, &sig.generics, &sig.generics.where_clause);
    let Attrs {
        outer,
        inner,
        policy,
        ..
    } = attrs;
    let call = call_type(handler, args);
    let used = attrs.debug_handler.iter().map(|attr| attr.path());
    let state = args.state.clone().or_else(|| attrs.debug_state());
    let checks = checks(handler, args, state.as_ref().or(handler.state()));
    let spec = spec(&name.unraw().to_string(), args);
    let run = run(handler);
    let plain = plain(handler, attrs, args);
    quote_spanned! {hidden(Span::call_site())=>
        #(#outer)*
        #(#policy)*
        #vis async fn #name #generics (call: #call) -> ::idem_axum::__rt::Response #filters {
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

/// The one parameter of the wrapper: it extracts what the handler takes, in Idem's order.
fn call_type(handler: &Handler, args: &Args) -> TokenStream {
    let mode = match &handler.tx {
        Some(tx) => {
            let database = &tx.database;
            quote_spanned!(database.span()=> ::idem_axum::__rt::WithTx<#database>)
        }
        None => quote!(::idem_axum::__rt::NoTx),
    };
    let (scope, _) = scope_type(&args.scope);
    let parts = &handler.parts;
    let last = handler
        .last
        .as_ref()
        .map_or_else(|| quote!(()), Type::to_token_stream);
    let max_body = Literal::u64_unsuffixed(args.max_body.as_ref().map_or(0, |size| size.value));
    let required = !args.key_optional;
    quote! {
        ::idem_axum::__rt::Call<#mode, #scope, (#(#parts,)*), #last, #max_body, #required>
    }
}

/// The life of a request: claim, handler, completion.
fn run(handler: &Handler) -> TokenStream {
    let name = &handler.sig.ident;
    let generics = handler.sig.generics.split_for_impl().1;
    let turbofish = generics.as_turbofish();
    let arguments = handler
        .parameters
        .iter()
        .map(|parameter| argument(parameter, hidden(name.span())));
    let mutable = handler.tx.as_ref().map(|_| quote!(mut));
    // What is asked of the handler as a whole is asked at its name.
    let span = hidden(name.span());
    quote_spanned! {span=>
        let (attempt, parts, last) = call.split();
        attempt.run(&__IDEM_SPEC, move |attempt| async move {
            let #mutable claim = match attempt.begin().await {
                ::core::result::Result::Ok(claim) => claim,
                ::core::result::Result::Err(answer) => return answer,
            };
            let ended = ::idem_axum::__rt::supervise(claim.deadline(), async {
                use ::idem_axum::__rt::AnyOutcome as _;
                ::idem_axum::__rt::Outcome(#name #turbofish (#(#arguments),*).await).split()
            })
            .await;
            claim.finish(ended).await
        })
        .await
    }
}

/// Locals of this span cannot be seen by the user's tokens, nor the other way round.
fn hidden(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

fn argument(parameter: &Parameter, span: Span) -> TokenStream {
    match parameter {
        Parameter::Tx => quote_spanned!(span=> claim.tx()),
        Parameter::Part(number) => {
            let number = Index::from(*number);
            quote_spanned!(span=> parts.#number)
        }
        Parameter::Last => quote_spanned!(span=> last),
    }
}

/// The function as written, under another name.
fn plain(handler: &Handler, attrs: &Attrs, args: &Args) -> Option<TokenStream> {
    let Handler {
        vis, sig, block, ..
    } = handler;
    let Attrs { outer, inner, .. } = attrs;
    let mut sig = sig.clone();
    sig.ident = args.plain.clone()?;
    Some(quote! {
        #(#outer)*
        #(#inner)*
        #[allow(dead_code)]
        #vis #sig #block
    })
}
