//! `#[derive(HasIdempotency)]`: which field is the handle, and which extractor each scope name
//! means.
//!
//! ```text
//! #[derive(HasIdempotency)]
//! #[scopes(ab = Tenant)]
//! struct AppState { idem: Idempotency<Postgres>, mailer: Mailer }
//!
//! impl HasIdempotency for AppState {
//!     type Db = <Idempotency<Postgres> as HasIdempotency>::Db;
//!     fn idempotency(&self) -> &Idempotency<Self::Db> { … &self.idem … }
//! }
//! impl ScopeFor<NamedScope<(Ch<'a'>, Ch<'b'>,)>> for AppState { type Extractor = Tenant; }
//! ```
//!
//! The database is asked of the field's type and not read from its tokens. So the field may be a
//! nested state, an `Arc` of one or an alias, and the derive works for it alike.
//!
//! A scope's name becomes a type, one `Ch` for each character, because a type is all that the
//! compiler can look up between two macros that do not see each other. A misspelt name is then a
//! compile error at the string in the attribute, and not a 500 at the first request.
//!
//! The derive does not check the extractors: a trait bound on `ScopeFor::Extractor` would need the
//! router's state, which may be an `Arc` of this one. Each handler checks the one that it uses.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned as _;
use syn::{
    Attribute, Data, DataStruct, DeriveInput, Error, Field, Ident, LitStr, Member, Result, Token,
    Type,
};

use crate::errors::Errors;
use crate::expand::scope::named;
use crate::handler::inspect::is_named;

/// Expands the derive on a router's state.
///
/// The handle and the scopes are found independently, and what was found is implemented beside the
/// errors: a misspelt scope does not make each handler complain about a state without a handle.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let mut errors = Errors::default();
    let handle = errors.check(find_handle(&input));
    let scopes = read_scopes(&input.attrs, &mut errors);
    let handle = handle.map(|handle| implement(&input, &handle));
    let scopes = scopes.iter().map(|scope| implement_scope(&input, scope));
    let errors = errors.to_compile_errors();
    quote!(#handle #(#scopes)* #errors)
}

/// The field that holds, or leads to, the `Idempotency<DB>`.
struct HandleField<'a> {
    member: Member,
    ty: &'a Type,
}

/// The marked field, or else the only one whose type is called `Idempotency`.
///
/// A mark wins over a type, so that a struct with two handles can say which one its router uses.
/// An alias such as `type Idem = Idempotency<Postgres>` is not recognised: a macro sees names, not
/// types. The error then names the cure, the mark.
fn find_handle(input: &DeriveInput) -> Result<HandleField<'_>> {
    let data = match &input.data {
        Data::Struct(data) => data,
        Data::Enum(data) => return Err(Error::new(data.enum_token.span, NOT_A_STRUCT)),
        Data::Union(data) => return Err(Error::new(data.union_token.span, NOT_A_STRUCT)),
    };
    let marked = fields(data, |field| {
        field.attrs.iter().any(|a| a.path().is_ident("idempotency"))
    });
    let by_type = fields(data, |field| is_named(&field.ty, "Idempotency"));
    match (&marked[..], &by_type[..]) {
        ([(member, field)], _) | ([], [(member, field)]) => Ok(HandleField {
            member: member.clone(),
            ty: &field.ty,
        }),
        ([_, (_, second), ..], _) => Err(Error::new_spanned(&second.ty, MARKED_TWICE)),
        ([], [_, (_, second), ..]) => Err(Error::new_spanned(&second.ty, TWO_FIELDS)),
        ([], []) => Err(Error::new(input.ident.span(), NO_FIELD)),
    }
}

/// The fields to keep, each with what `self.…` calls it: a name, or a number in a tuple struct.
fn fields(data: &DataStruct, keep: impl Fn(&Field) -> bool) -> Vec<(Member, &Field)> {
    data.fields
        .members()
        .zip(&data.fields)
        .filter(|(_, field)| keep(field))
        .collect()
}

/// The impl of `HasIdempotency`.
///
/// What mentions the field's type has the span of that type: if the type is no handle, the error
/// stands there and not on the derive. In a generic state the field's type may depend on a
/// parameter, so the impl requires that it is a handle. Without parameters the associated
/// type asks the same already.
fn implement(input: &DeriveInput, handle: &HandleField<'_>) -> TokenStream {
    let HandleField { member, ty } = handle;
    let name = &input.ident;
    let mut generics = input.generics.clone();
    if !generics.params.is_empty() {
        let bound = quote_spanned!(ty.span()=> #ty: ::idem_axum::HasIdempotency);
        generics
            .make_where_clause()
            .predicates
            .push(syn::parse_quote!(#bound));
    }
    let (impl_generics, _, filters) = generics.split_for_impl();
    let type_generics = input.generics.split_for_impl().1;
    let database = quote_spanned!(ty.span()=> <#ty as ::idem_axum::HasIdempotency>::Db);
    let get = quote_spanned!(ty.span()=> <#ty as ::idem_axum::HasIdempotency>::idempotency);
    quote! {
        #[automatically_derived]
        impl #impl_generics ::idem_axum::HasIdempotency for #name #type_generics #filters {
            type Db = #database;

            fn idempotency(&self) -> &::idem_axum::Idempotency<Self::Db> {
                #get(&self.#member)
            }
        }
    }
}

/// One `tenant = Tenant` of `#[scopes(…)]`.
///
/// The extractor may be any type, also a tuple. It stands without quotes, unlike the scope in
/// `#[idempotent]`, which names what is written here.
struct ScopeName {
    name: Ident,
    extractor: Type,
}

impl Parse for ScopeName {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let name: Ident = input.parse()?;
        if !input.peek(Token![=]) {
            let text = format!("which extractor tells the scope? write `{name} = Tenant`");
            return Err(Error::new(name.span(), text));
        }
        input.parse::<Token![=]>()?;
        if input.peek(LitStr) {
            return Err(input.error("an extractor is a type: it stands without quotes"));
        }
        Ok(Self {
            name,
            extractor: input.parse()?,
        })
    }
}

/// The scopes of all `#[scopes(…)]` on the state; the first one of a name counts.
///
/// The compiler would report a name given twice as a conflicting impl (E0119), in terms of `Ch`. A
/// list that does not parse is left out whole.
fn read_scopes(attrs: &[Attribute], errors: &mut Errors) -> Vec<ScopeName> {
    let mut scopes: Vec<ScopeName> = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("scopes")) {
        let list = attr.parse_args_with(Punctuated::<ScopeName, Token![,]>::parse_terminated);
        for scope in errors.check(list).into_iter().flatten() {
            let name = &scope.name;
            if name == "global" {
                errors.push(Error::new(name.span(), BUILT_IN));
            } else if scopes.iter().any(|known| known.name == *name) {
                errors.push(Error::new(
                    name.span(),
                    format!("the scope `{name}` is given twice"),
                ));
            } else {
                scopes.push(scope);
            }
        }
    }
    scopes
}

/// The impl that leads from a name to its extractor.
///
/// A raw name counts without its `r#`, since the attribute has the name in a string.
fn implement_scope(input: &DeriveInput, scope: &ScopeName) -> TokenStream {
    let name = &input.ident;
    let (impl_generics, type_generics, filters) = input.generics.split_for_impl();
    let scope_name = named(&scope.name.unraw().to_string(), Span::call_site());
    let extractor = &scope.extractor;
    quote! {
        #[automatically_derived]
        impl #impl_generics ::idem_axum::__private::ScopeFor<#scope_name> for #name #type_generics #filters {
            type Extractor = #extractor;
        }
    }
}

const NOT_A_STRUCT: &str = "the state of a router with `#[idempotent]` handlers is a struct";
const NO_FIELD: &str = "no field of type `Idempotency<DB>`: add one, or mark the field that leads to \
                        it with `#[idempotency]`";
const TWO_FIELDS: &str = "a second `Idempotency<DB>`: mark the one for this router's handlers with \
                          `#[idempotency]`";
const MARKED_TWICE: &str = "a second field marked `#[idempotency]`: a router has one runtime";
const BUILT_IN: &str =
    "`global` is built in (one space of keys for all callers): choose another name";

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(input: &str) -> String {
        derive(input.parse().unwrap()).to_string().replace(' ', "")
    }

    #[test]
    fn the_runtime_is_found_by_its_type() {
        let code = expand("struct App { pool: Pool, idem: Idempotency<Sqlite> }");
        assert!(
            code.contains("::idem_axum::HasIdempotencyforApp{"),
            "{code}"
        );
        assert!(
            code.contains("typeDb=<Idempotency<Sqlite>as::idem_axum::HasIdempotency>::Db;"),
            "{code}"
        );
        assert!(code.contains("::idempotency(&self.idem)"), "{code}");
    }

    #[test]
    fn a_field_marked_idempotency_takes_precedence() {
        let code = expand("struct App(Idempotency<Sqlite>, #[idempotency] Arc<Inner>);");
        assert!(code.contains("::idempotency(&self.1)"), "{code}");
    }

    #[test]
    fn a_generic_marked_field_must_implement_has_idempotency() {
        let code = expand("struct App<S: Clone> where S: Send { #[idempotency] inner: S }");
        assert!(code.contains("impl<S:Clone>"), "{code}");
        assert!(
            code.contains("forApp<S>whereS:Send,S:::idem_axum::HasIdempotency"),
            "{code}"
        );
    }

    #[test]
    fn each_scope_name_becomes_an_impl() {
        let code = expand("#[scopes(ab = Tenant, c = (A, B))] struct App(Idempotency<Pg>);");
        let ab = "NamedScope<(::idem_axum::__private::Ch<'a'>,::idem_axum::__private::Ch<'b'>,)>>forApp{typeExtractor=Tenant;}";
        assert!(code.contains(ab), "{code}");
        assert!(code.contains("typeExtractor=(A,B);"), "{code}");
    }

    #[test]
    fn each_mistake_has_its_error_message() {
        for (input, text) in [
            ("enum App {}", NOT_A_STRUCT),
            ("union App { idem: Idempotency<Pg> }", NOT_A_STRUCT),
            ("struct App;", NO_FIELD),
            ("struct App(Idempotency<Pg>, Idempotency<Pg>);", TWO_FIELDS),
            (
                "struct App(#[idempotency] A, #[idempotency] B);",
                MARKED_TWICE,
            ),
            (
                "#[scopes(global = A)] struct App(Idempotency<Pg>);",
                BUILT_IN,
            ),
            (
                "#[scopes(a = A, a = B)] struct App(Idempotency<Pg>);",
                "the scope `a` is given twice",
            ),
            (
                "#[scopes(a)] struct App(Idempotency<Pg>);",
                "write `a = Tenant`",
            ),
            (
                "#[scopes(a = \"A\")] struct App(Idempotency<Pg>);",
                "stands without quotes",
            ),
        ] {
            let code = expand(input);
            assert!(code.contains(&text.replace(' ', "")), "{input}: {code}");
        }
    }
}
