//! One parameter of a handler: a `Tx`, an extractor, or a mistake with its cure.
//!
//! | mistake | without this check |
//! | --- | --- |
//! | `self` | the inner function is no method: "`self` parameter is only allowed in associated functions" |
//! | `#[cfg(…)]` on a parameter | the compiler removes it from the inner signature, and the call still passes it |
//! | `Next` | "`Next` is no extractor", while its author writes a middleware and means no handler |
//! | `Option<Tx<DB>>`, `(A, Tx<DB>)`, `&mut Tx<DB>` | a `Tx` is no extractor; nothing would fill it |
//! | `impl Trait` | `post(handler)` cannot tell which type is meant, and no turbofish can say it |
//! | a reference, a lifetime | the handler's task owns its arguments, so they must be `'static` |
//!
//! The order of the checks is the order of the cures: a `&mut Tx` is told about its `Tx` and not
//! about its reference.

use syn::visit::{self, Visit};
use syn::{Error, FnArg, Ident, PatIdent, PatType, Result, Type};

use crate::errors::Errors;
use crate::handler::inspect::name;
use crate::handler::inspect::{
    argument, borrows, find_segment, is_named, last_segment, mentions_impl,
};
use crate::handler::transaction::{self, Transaction};

/// What a parameter asks for.
pub(crate) enum Parameter {
    Tx(Transaction),
    /// `DownstreamKeys`.
    Keys,
    Extractor(Type),
}

/// Classifies a parameter, and completes the type of a `Tx`.
///
/// One error for each parameter: the second cure would be for a type that the first one changes.
pub(crate) fn check(input: &mut FnArg) -> Result<Parameter> {
    let parameter = match input {
        FnArg::Receiver(receiver) => {
            return Err(Error::new(receiver.self_token.span, METHOD));
        }
        FnArg::Typed(parameter) => parameter,
    };
    refuse_cfg(parameter)?;
    if let Some(tx) = transaction::take(parameter)? {
        return Ok(Parameter::Tx(tx));
    }
    let ty = &*parameter.ty;
    if is_named(ty, "DownstreamKeys") {
        return Ok(Parameter::Keys);
    }
    if is_named(ty, "Next") {
        return Err(Error::new_spanned(ty, MIDDLEWARE));
    }
    if let Some(tx) = find_segment(ty, "Tx") {
        return Err(Error::new(tx.ident.span(), TX_INSIDE));
    }
    if mentions_impl(ty) {
        return Err(Error::new_spanned(ty, NO_IMPL));
    }
    if borrows(ty) {
        return Err(Error::new_spanned(ty, BORROWED));
    }
    Ok(Parameter::Extractor(ty.clone()))
}

/// Refuses `#[cfg]` and `#[cfg_attr]` on a parameter.
///
/// The compiler evaluates them after this macro, which would have to copy the condition to the
/// type, to the tuple of extractors and to the call.
fn refuse_cfg(parameter: &PatType) -> Result<()> {
    let mut attrs = parameter.attrs.iter();
    match attrs.find(|attr| name(attr.path()).starts_with("cfg")) {
        Some(cfg) => Err(Error::new_spanned(cfg, CFG)),
        None => Ok(()),
    }
}

/// Whether the pattern of the parameter binds this name: `claims` or `Extension(claims)`.
pub(crate) fn binds(input: &FnArg, name: &Ident) -> bool {
    let FnArg::Typed(parameter) = input else {
        return false;
    };
    let mut find = FindName { name, found: false };
    find.visit_pat(&parameter.pat);
    find.found
}

struct FindName<'a> {
    name: &'a Ident,
    found: bool,
}

impl<'a> Visit<'a> for FindName<'a> {
    fn visit_pat_ident(&mut self, pattern: &'a PatIdent) {
        self.found |= pattern.ident == *self.name;
        visit::visit_pat_ident(self, pattern);
    }
}

/// Refuses an extractor that is known to read the body; all but the last are checked.
///
/// axum's own error for `Json` before `State` is that `Handler<_, _>` is not implemented. `Option`
/// and `Result` around an extractor read the body as it does. An extractor of the application's own
/// that implements only `FromRequest` is found by `check::parts`.
pub(crate) fn check_reads_no_body(ty: &Type, errors: &mut Errors) {
    let Some(mut segment) = last_segment(ty) else {
        return;
    };
    if segment.ident == "Option" || segment.ident == "Result" {
        let Some(inner) = argument(segment).and_then(last_segment) else {
            return;
        };
        segment = inner;
    }
    if READS_BODY.iter().any(|name| segment.ident == name) {
        let text = format!(
            "`{}` reads the body and must be the last extractor (a `Tx` may stand anywhere)",
            segment.ident
        );
        errors.push(Error::new(segment.ident.span(), text));
    }
}

/// Extractors of axum and axum-extra that consume the request.
const READS_BODY: &[&str] = &[
    "Body",
    "Bytes",
    "Form",
    "Json",
    "Multipart",
    "Protobuf",
    "RawForm",
    "Request",
    "String",
];
const METHOD: &str = "`#[idempotent]` does not work on methods: a handler is a free function; \
                      take what `self` holds as `State<…>`";
const MIDDLEWARE: &str = "this is a middleware, not a handler: \
                          put `#[idempotent]` on the handlers behind it instead";
const TX_INSIDE: &str =
    "a `Tx` is a parameter of its own: write `mut tx: Tx<DB>` beside the other parameters";
const NO_IMPL: &str = "a router cannot tell which type `impl` means: \
                       use a type parameter, and name it in the route: `post(handler::<Type>)`";
const BORROWED: &str = "an extractor is an owned value, this type has a lifetime; \
                        if it is another name for `Tx<'_, DB>`, mark it: `#[tx(DB)] mut tx: …`";
const CFG: &str =
    "`#[cfg]` on a parameter of an idempotent handler is not supported: write the handler twice";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mistake_has_its_error_message() {
        for (parameter, text) in [
            ("&self", METHOD),
            ("self: Arc<Self>", METHOD),
            ("next: Next", MIDDLEWARE),
            ("(a, tx): (A, Tx<Sqlite>)", TX_INSIDE),
            ("tx: &mut Tx<Sqlite>", TX_INSIDE),
            ("a: Json<impl A>", NO_IMPL),
            ("a: &str", BORROWED),
            ("tx: PgTx<'_>", BORROWED),
            ("#[cfg(test)] a: A", CFG),
            ("#[cfg_attr(test, allow(unused))] a: A", CFG),
        ] {
            let error = check(&mut syn::parse_str(parameter).unwrap())
                .err()
                .unwrap();
            assert_eq!(error.to_string(), text, "{parameter}");
        }
    }

    #[test]
    fn extractors_that_read_the_body_are_recognised_by_name() {
        let reads = |ty: &str| {
            let mut errors = Errors::default();
            check_reads_no_body(&syn::parse_str(ty).unwrap(), &mut errors);
            !errors.is_empty()
        };
        for ty in [
            "Json<A>",
            "axum::body::Bytes",
            "String",
            "Option<Json<A>>",
            "Result<Form<A>, E>",
        ] {
            assert!(reads(ty), "{ty}");
        }
        for ty in [
            "State<Json>",
            "HeaderMap",
            "Option<HeaderMap>",
            "(Json<A>, B)",
        ] {
            assert!(!reads(ty), "{ty}");
        }
    }
}
