//! The function under the attribute, checked and taken apart.

use quote::ToTokens as _;
use syn::spanned::Spanned;
use syn::{Block, Error, FnArg, ItemFn, PatType, Result, Signature, Type, Visibility};

use crate::attrs::name;
use crate::errors::Errors;
use crate::transaction::{self, Transaction};
use crate::types::{
    argument, borrows, find_segment, find_self, is_named, last_segment, mentions_impl,
};

/// A function that can be an idempotent handler.
pub(crate) struct Handler {
    pub(crate) vis: Visibility,
    /// As written, with `Tx<'_, DB>` where `Tx<DB>` stood.
    pub(crate) sig: Signature,
    pub(crate) block: Box<Block>,
    pub(crate) tx: Option<Transaction>,
    /// The types of all extractors but the last.
    pub(crate) parts: Vec<Type>,
    /// The type of the last extractor, which may read the body.
    pub(crate) last: Option<Type>,
    /// What each parameter is, in the order written.
    pub(crate) parameters: Vec<Parameter>,
}

/// Where the argument for a parameter comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Parameter {
    Tx,
    Part(usize),
    Last,
}

impl Handler {
    /// Takes the function apart; `None` when one of the errors noted makes that impossible.
    pub(crate) fn check(item: ItemFn, errors: &mut Errors) -> Option<Self> {
        let mut wrong = Errors::default();
        check_signature(&item, &mut wrong);
        let ItemFn {
            vis,
            mut sig,
            block,
            ..
        } = item;
        let mut tx = None;
        let mut extractors = Vec::new();
        let mut is_tx = Vec::new();
        for input in &mut sig.inputs {
            match wrong.check(check_parameter(input)) {
                Some(Kind::Tx(found)) => {
                    is_tx.push(true);
                    if tx.is_some() {
                        wrong.push(Error::new_spanned(&found.database, TWO_TRANSACTIONS));
                    }
                    tx = Some(found);
                }
                Some(Kind::Extractor(ty)) => {
                    is_tx.push(false);
                    extractors.push(ty);
                }
                None => {}
            }
        }
        let last = extractors.pop();
        extractors
            .iter()
            .for_each(|ty| check_reads_no_body(ty, &mut wrong));
        if !wrong.is_empty() {
            errors.append(wrong);
            return None;
        }
        let parameters = number(&is_tx);
        Some(Self {
            vis,
            sig,
            block,
            tx,
            parts: extractors,
            last,
            parameters,
        })
    }

    /// The single `T` of all `State<T>` parameters.
    pub(crate) fn state(&self) -> Option<&Type> {
        let extractors = self.parts.iter().chain(&self.last);
        let mut states = extractors
            .filter(|ty| is_named(ty, "State"))
            .filter_map(state_of);
        let first = states.next()?;
        let text = |ty: &Type| ty.to_token_stream().to_string();
        states
            .all(|other| text(other) == text(first))
            .then_some(first)
    }

    pub(crate) fn is_generic(&self) -> bool {
        !self.sig.generics.params.is_empty()
    }
}

enum Kind {
    Tx(Transaction),
    Extractor(Type),
}

fn check_signature(item: &ItemFn, errors: &mut Errors) {
    let sig = &item.sig;
    if sig.asyncness.is_none() {
        errors.push(Error::new(sig.fn_token.span, NOT_ASYNC));
    }
    let qualifier = [
        sig.constness.as_ref().map(|token| token.span),
        sig.abi.as_ref().map(Spanned::span),
        match &sig.safety {
            syn::Safety::Unsafe(token) => Some(token.span),
            syn::Safety::Safe(token) => Some(token.span),
            syn::Safety::Default => None,
        },
        sig.variadic.as_ref().map(Spanned::span),
        item.modifiers.defaultness.map(|token| token.span),
    ];
    for span in qualifier.into_iter().flatten() {
        errors.push(Error::new(span, PLAIN_ASYNC));
    }
    for lifetime in sig.generics.lifetimes() {
        errors.push(Error::new(lifetime.span(), NO_LIFETIMES));
    }
    if sig.receiver().is_none()
        && let Some(own) = find_self(sig, &item.block)
    {
        errors.push(Error::new(own.ident.span(), NO_SELF_TYPE));
    }
}

/// Finds out what a parameter is, and completes the type of a `Tx`.
fn check_parameter(input: &mut FnArg) -> Result<Kind> {
    let parameter = match input {
        FnArg::Receiver(receiver) => {
            return Err(Error::new(receiver.self_token.span, METHOD));
        }
        FnArg::Typed(parameter) => parameter,
    };
    refuse_cfg(parameter)?;
    if let Some(tx) = transaction::take(parameter)? {
        return Ok(Kind::Tx(tx));
    }
    let ty = &*parameter.ty;
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
    Ok(Kind::Extractor(ty.clone()))
}

fn refuse_cfg(parameter: &PatType) -> Result<()> {
    match parameter
        .attrs
        .iter()
        .find(|attr| name(attr.path()).starts_with("cfg"))
    {
        Some(cfg) => Err(Error::new_spanned(cfg, CFG)),
        None => Ok(()),
    }
}

fn check_reads_no_body(ty: &Type, errors: &mut Errors) {
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

fn number(is_tx: &[bool]) -> Vec<Parameter> {
    let extractors = is_tx.iter().filter(|tx| !**tx).count();
    let mut next = 0;
    let number = |tx: &bool| {
        if *tx {
            return Parameter::Tx;
        }
        next += 1;
        if next == extractors {
            Parameter::Last
        } else {
            Parameter::Part(next - 1)
        }
    };
    is_tx.iter().map(number).collect()
}

fn state_of(state: &Type) -> Option<&Type> {
    argument(last_segment(state)?)
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

const NOT_ASYNC: &str = "an idempotent handler is an `async fn`";
const PLAIN_ASYNC: &str = "an idempotent handler is a plain `async fn`, without this";
const NO_LIFETIMES: &str =
    "a handler has no lifetime parameters: it owns its extractors, and a `Tx` is written `Tx<DB>`";
const NO_SELF_TYPE: &str =
    "`Self` is not known inside an idempotent handler: write the name of the type";
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
const TWO_TRANSACTIONS: &str =
    "a handler has one transaction: a second `Tx` could only be the same one again";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> std::result::Result<Handler, Vec<String>> {
        let mut errors = Errors::default();
        let handler = Handler::check(syn::parse_str(text).unwrap(), &mut errors);
        handler.ok_or_else(|| errors.texts())
    }

    #[test]
    fn parameters_are_numbered_in_the_order_written() {
        let handler =
            check("async fn f(a: State<A>, b: Path<u8>, mut tx: Tx<Sqlite>, c: Json<C>) {}");
        let handler = handler.ok().unwrap();
        let order = [
            Parameter::Part(0),
            Parameter::Part(1),
            Parameter::Tx,
            Parameter::Last,
        ];
        assert_eq!(handler.parameters, order);
        assert_eq!(handler.parts.len(), 2);
        assert!(is_named(handler.last.as_ref().unwrap(), "Json"));
        assert!(is_named(handler.state().unwrap(), "A"));
    }

    #[test]
    fn a_lone_transaction_leaves_no_extractor() {
        let handler = check("async fn f(tx: Tx<Sqlite>) {}").ok().unwrap();
        assert_eq!(handler.parameters, [Parameter::Tx]);
        assert!(handler.last.is_none());
    }

    #[test]
    fn two_states_are_no_known_state() {
        let handler = check("async fn f(a: State<A>, b: State<B>) {}")
            .ok()
            .unwrap();
        assert!(handler.state().is_none());
        let handler = check("async fn f(a: State<A>, b: State<A>) {}")
            .ok()
            .unwrap();
        assert!(handler.state().is_some());
    }

    #[test]
    fn each_mistake_has_its_text() {
        for (function, text) in [
            ("fn f() {}", NOT_ASYNC),
            ("async unsafe fn f() {}", PLAIN_ASYNC),
            ("async fn f<'a>(a: A) {}", NO_LIFETIMES),
            ("async fn f() { Self::g() }", NO_SELF_TYPE),
            ("async fn f(&self) {}", METHOD),
            ("async fn f(self: Arc<Self>) {}", METHOD),
            ("async fn f(request: Request, next: Next) {}", MIDDLEWARE),
            ("async fn f((a, tx): (A, Tx<Sqlite>)) {}", TX_INSIDE),
            ("async fn f(tx: &mut Tx<Sqlite>) {}", TX_INSIDE),
            ("async fn f(a: Json<impl A>) {}", NO_IMPL),
            ("async fn f(a: &str) {}", BORROWED),
            ("async fn f(tx: PgTx<'_>) {}", BORROWED),
            ("async fn f(#[cfg(test)] a: A) {}", CFG),
            (
                "async fn f(a: Tx<Sqlite>, b: Tx<Sqlite>) {}",
                TWO_TRANSACTIONS,
            ),
        ] {
            let errors = check(function).err().unwrap();
            assert!(
                errors.iter().any(|error| error == text),
                "{function}: {errors:?}"
            );
        }
    }

    #[test]
    fn body_extractors_stand_last() {
        for ty in [
            "Json<A>",
            "axum::body::Bytes",
            "String",
            "Option<Json<A>>",
            "Request",
        ] {
            let errors = check(&format!("async fn f(a: {ty}, b: HeaderMap) {{}}"))
                .err()
                .unwrap();
            assert!(errors[0].contains("must be the last extractor"), "{ty}");
            assert!(
                check(&format!(
                    "async fn f(b: HeaderMap, a: {ty}, tx: Tx<Db>) {{}}"
                ))
                .is_ok()
            );
        }
    }

    #[test]
    fn all_mistakes_are_told_at_once() {
        assert_eq!(
            check("fn f(&self, a: &str, next: Next) {}")
                .err()
                .unwrap()
                .len(),
            4
        );
    }
}
