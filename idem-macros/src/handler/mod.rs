//! The function under the attribute, checked and taken apart.
//!
//! ```text
//! async fn pay(State(app): State<App>, mut tx: Tx<Pg>, Path(id): Path<u8>, Json(new): Json<New>)
//!
//! tx         Some(Pg)                         its type becomes Tx<'_, Pg>
//! parts      [State<App>, Path<u8>]           run before the body is read
//! last       Some(Json<New>)                  may read the body
//! arguments  [Part(0), Tx, Part(1), Last]     the call: pay(parts.0, attempt.tx(), parts.1, last)
//! ```
//!
//! The last extractor is the last parameter that is no `Tx`. axum gives only the last parameter the
//! whole request; here a `Tx` may stand behind it, since no extractor fills it.
//!
//! Only what tokens show is checked. A type is known by the last segment of its path, so a foreign
//! type called `Tx`, `State` or `Json` is taken for the known one. For `Tx` the compiler then
//! complains about its arguments. The `T` of a foreign `State<T>` is checked as the router's state,
//! which `state = …` corrects. A foreign `Json` that reads no body must stand last all the same.
//!
//! Each check here names its cure. What would pass these checks and not compile gets the compiler's
//! own error, on the user's line: see [`checks`](crate::expand).

pub(crate) mod attributes;
pub(crate) mod inspect;
pub(crate) mod openapi;
mod parameter;
pub(crate) mod transaction;

use quote::ToTokens as _;
use syn::spanned::Spanned;
use syn::{Block, Error, Ident, ItemFn, Signature, Type, Visibility};

use crate::errors::Errors;
use crate::handler::inspect::{argument, find_self, is_named, last_segment};
use crate::handler::parameter::Parameter;
use crate::handler::transaction::Transaction;
use crate::options::Scope;

/// A function that can be an idempotent handler.
///
/// A value of it means that the signature is one that the wrapper can call; what its types must be
/// is not known yet.
pub(crate) struct Handler {
    pub(crate) vis: Visibility,
    /// As written, with `Tx<'_, DB>` where `Tx<DB>` stood.
    pub(crate) sig: Signature,
    pub(crate) block: Box<Block>,
    pub(crate) tx: Option<Transaction>,
    /// The types of all extractors but the last.
    pub(crate) parts: Vec<Type>,
    /// Which of these names the scope, with `scope = parameter`.
    pub(crate) party: Option<usize>,
    /// The type of the last extractor, which may read the body.
    pub(crate) last: Option<Type>,
    /// What each parameter is given, in the order written.
    pub(crate) arguments: Vec<Argument>,
}

/// Where the argument for a parameter comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Argument {
    Tx,
    /// The keys for requests to other services.
    Keys,
    Part(usize),
    /// The part that names the scope.
    Party(usize),
    Last,
}

impl Handler {
    /// Takes the function apart; `None` if one of its errors makes that impossible.
    ///
    /// Every error of a signature does, and all of them are reported. `errors` may hold those of
    /// the options already, which do not prevent the expansion: hence the list of its own.
    pub(crate) fn check(item: ItemFn, scope: &Scope, errors: &mut Errors) -> Option<Self> {
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
        let mut filled = Vec::new();
        let mut party = None;
        for input in &mut sig.inputs {
            match wrong.check(parameter::check(input)) {
                Some(Parameter::Tx(found)) => {
                    filled.push(Some(Argument::Tx));
                    if tx.is_some() {
                        wrong.push(Error::new_spanned(&found.database, TWO_TRANSACTIONS));
                    }
                    tx = Some(found);
                }
                Some(Parameter::Keys) => filled.push(Some(Argument::Keys)),
                Some(Parameter::Extractor(ty)) => {
                    filled.push(None);
                    if matches!(scope, Scope::Parameter(name) if parameter::binds(input, name)) {
                        party = Some(extractors.len());
                    }
                    extractors.push(ty);
                }
                None => {}
            }
        }
        if let (Scope::Parameter(name), None) = (scope, party) {
            wrong.push(Error::new(name.span(), no_parameter(name)));
        }
        // What names the scope is extracted before the body, also where it stands last.
        let is_last_free = party.is_none_or(|party| party + 1 < extractors.len());
        let last = if is_last_free { extractors.pop() } else { None };
        extractors
            .iter()
            .for_each(|ty| parameter::check_reads_no_body(ty, &mut wrong));
        if !wrong.is_empty() {
            errors.append(wrong);
            return None;
        }
        let arguments = number(&filled, extractors.len(), party);
        Some(Self {
            vis,
            sig,
            block,
            tx,
            parts: extractors,
            party,
            last,
            arguments,
        })
    }

    /// The single `T` of all `State<T>` parameters.
    ///
    /// A handler may take parts of the state by `FromRef`, and then several types are written.
    /// Which of them is the router's cannot be seen, so there are no checks, unless `state = …`
    /// says it. With a single part the checks ask it for the handle; the error names `state = …` as
    /// the cure.
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

    /// Whether the handler has type or constant parameters; lifetimes are refused.
    pub(crate) fn is_generic(&self) -> bool {
        !self.sig.generics.params.is_empty()
    }
}

/// What is wrong with the function apart from its parameters.
///
/// * `unsafe`, `const`, `extern` and a variadic have no place in the wrapper, a plain `async fn`.
/// * A lifetime parameter has no use: an extractor is owned, and the attribute writes the lifetime
///   of the `Tx`.
/// * `Self` is not known in the inner function: a nested item cannot use the `Self` of the `impl`
///   block around it (E0401). With a `self` parameter that error is enough.
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

/// Where each parameter's argument comes from, where Idem does not fill it itself: the extractor behind
/// all parts is [`Argument::Last`].
fn number(filled: &[Option<Argument>], parts: usize, party: Option<usize>) -> Vec<Argument> {
    let mut next = 0;
    let number = |filled: &Option<Argument>| {
        if let Some(argument) = filled {
            return *argument;
        }
        let number = next;
        next += 1;
        match number {
            _ if number == parts => Argument::Last,
            _ if party == Some(number) => Argument::Party(number),
            _ => Argument::Part(number),
        }
    };
    filled.iter().map(number).collect()
}

fn no_parameter(name: &Ident) -> String {
    format!(
        "`{name}` is no parameter of this handler that an extractor fills; the name of a scope stands \
         in quotes: `scope = \"{name}\"`"
    )
}

fn state_of(state: &Type) -> Option<&Type> {
    argument(last_segment(state)?)
}

const NOT_ASYNC: &str = "an idempotent handler is an `async fn`";
const PLAIN_ASYNC: &str = "an idempotent handler is a plain `async fn`, without this";
const NO_LIFETIMES: &str =
    "a handler has no lifetime parameters: it owns its extractors, and a `Tx` is written `Tx<DB>`";
const NO_SELF_TYPE: &str =
    "`Self` is not known inside an idempotent handler: write the name of the type";
const TWO_TRANSACTIONS: &str =
    "a handler has one transaction: a second `Tx` could only be the same one again";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<Handler, Vec<String>> {
        let mut errors = Errors::default();
        let item = syn::parse_str(text).unwrap();
        let handler = Handler::check(item, &Scope::Global, &mut errors);
        handler.ok_or_else(|| errors.texts())
    }

    #[test]
    fn arguments_follow_the_order_written() {
        let text = "async fn f(a: State<A>, b: Path<u8>, mut tx: Tx<Sqlite>, c: Json<C>) {}";
        let handler = check(text).ok().unwrap();
        let order = [
            Argument::Part(0),
            Argument::Part(1),
            Argument::Tx,
            Argument::Last,
        ];
        assert_eq!(handler.arguments, order);
        assert_eq!(handler.parts.len(), 2);
        assert!(is_named(handler.last.as_ref().unwrap(), "Json"));
        assert!(is_named(handler.state().unwrap(), "A"));
    }

    #[test]
    fn keys_for_other_services_are_no_extractor() {
        let handler = check("async fn f(a: Path<u8>, keys: idem_axum::DownstreamKeys) {}");
        let handler = handler.ok().unwrap();
        assert_eq!(handler.arguments, [Argument::Last, Argument::Keys]);
    }

    #[test]
    fn a_lone_transaction_leaves_no_extractor() {
        let handler = check("async fn f(tx: Tx<Sqlite>) {}").ok().unwrap();
        assert_eq!(handler.arguments, [Argument::Tx]);
        assert!(handler.last.is_none());
    }

    #[test]
    fn two_different_state_types_leave_the_state_unknown() {
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
    fn each_mistake_has_its_error_message() {
        for (function, text) in [
            ("fn f() {}", NOT_ASYNC),
            ("async unsafe fn f() {}", PLAIN_ASYNC),
            ("async extern \"C\" fn f() {}", PLAIN_ASYNC),
            ("async fn f<'a>(a: A) {}", NO_LIFETIMES),
            ("async fn f() { Self::g() }", NO_SELF_TYPE),
            (
                "async fn f(a: Tx<Sqlite>, b: Tx<Sqlite>) {}",
                TWO_TRANSACTIONS,
            ),
        ] {
            assert_eq!(check(function).err().unwrap(), [text], "{function}");
        }
    }

    #[test]
    fn a_scope_that_is_no_parameter_says_how_a_name_is_written() {
        let mut errors = Errors::default();
        let item = syn::parse_str("async fn f(tx: Tx<Db>, a: A) {}").unwrap();
        for name in ["tx", "tenant"] {
            let scope = Scope::Parameter(syn::parse_str(name).unwrap());
            assert!(Handler::check(Clone::clone(&item), &scope, &mut errors).is_none());
        }
        let texts = errors.texts();
        assert!(texts[0].starts_with("`tx` is no parameter"), "{texts:?}");
        assert!(
            texts[1].ends_with("quotes: `scope = \"tenant\"`"),
            "{texts:?}"
        );
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        assert_eq!(
            check("fn f(&self, a: &str, next: Next) {}")
                .err()
                .unwrap()
                .len(),
            4
        );
    }

    #[test]
    fn only_the_last_extractor_may_read_the_body() {
        assert!(check("async fn f(b: HeaderMap, a: Json<A>, tx: Tx<Db>) {}").is_ok());
        assert_eq!(
            check("async fn f(a: Json<A>, b: HeaderMap) {}")
                .err()
                .unwrap()
                .len(),
            1
        );
    }
}
