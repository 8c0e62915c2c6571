//! What must hold for everything that can stand in and below the attributes.

use proc_macro2::{Delimiter, Group, Ident, Literal, Punct, Spacing, Span, TokenStream, TokenTree};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use syn::{File, Item, ItemFn};

use crate::has_idempotency::derive;
use crate::idempotent::idempotent;

/// One legal value of every option, `scope` first; but none of `isolation`, which needs a `Tx`.
const OPTIONS: &[&str] = &[
    "scope = \"tenant\"",
    "ttl = \"1d 12h\"",
    "operation = \"payments.create\"",
    "key = optional",
    "fingerprint = path::to_fn",
    "fingerprint_headers = [\"X-Currency\", \"x-shop\"]",
    "max_body = \"64KiB\"",
    "max_response = \"1MiB\"",
    "store = \"2xx, 3xx, 409\"",
    "in_flight = \"wait 5s\"",
    "timeout = \"30s\"",
    "expect = retries",
    "late_retries = \"refuse 30d\"",
    "state = App<u8, (A, B)>",
    "plain = f_plain",
];

const HANDLERS: &[&str] = &[
    "async fn f() {}",
    "pub(crate) async fn r#try(mut tx: Tx<Db>) -> Result<u8, E> { Ok(1) }",
    "async fn f(State(app): State<App>, #[tx] tx: My<Db>, Json(new): Json<New>) -> Paid { pay().await }",
    "/// Pays.\n#[allow(unused)] async fn f<R: Repo>(_: State<App<R>>, #[allow(unused)] a: A) where R: Send { ; }",
    "#[axum::debug_handler(state = App)] async fn f(a: [u8; 2], (b, c): (B, C)) -> impl IntoResponse { 1 }",
];

const UNITS: &[&str] = &[
    "ms", "s", "m", "h", "d", "w", "B", "KiB", "MiB", "GiB", "", " s ",
];

/// Items on which the attribute or the derive says what is wrong.
const OTHERS: &[&str] = &[
    "#[tracing::instrument] async fn f(tx: Tx<'_, Db>) {}",
    "fn f(&self, a: &str, next: Next) {}",
    "async unsafe extern \"C\" fn f<'a>(tx: Tx, ...) -> Self { Self::g() }",
    "struct App { idem: Idempotency<Db> }",
    "#[scopes(a = A, global = B, a = (A, B))] struct App<T>(#[idempotency] T) where T: Clone;",
    "enum E { A }",
    "impl App { async fn f(self) {} }",
    "",
];

fn token() -> impl Strategy<Value = TokenTree> {
    let word = prop_oneof![
        select(
            &[
                "scope",
                "ttl",
                "key",
                "store",
                "plain",
                "global",
                "__innermost",
                "fn",
                "Self",
                "Tx"
            ][..]
        )
        .prop_map(str::to_owned),
        "[a-zA-Zé][a-z_0-9]{0,3}",
    ];
    let leaf = prop_oneof![
        3 => word.prop_map(|word| TokenTree::Ident(Ident::new(&word, Span::call_site()))),
        3 => (select("=,:<>&#'.;!?*-+$@".chars().collect::<Vec<_>>()), any::<bool>()).prop_map(
            |(punct, joint)| {
                let spacing = if joint { Spacing::Joint } else { Spacing::Alone };
                TokenTree::Punct(Punct::new(punct, spacing))
            }
        ),
        2 => prop_oneof![any::<String>(), value()]
            .prop_map(|text| TokenTree::Literal(Literal::string(&text))),
        1 => any::<u64>().prop_map(|number| TokenTree::Literal(Literal::u64_unsuffixed(number))),
        1 => any::<Vec<u8>>().prop_map(|bytes| TokenTree::Literal(Literal::byte_string(&bytes))),
        1 => any::<char>().prop_map(|character| TokenTree::Literal(Literal::character(character))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let delimiters = [
            Delimiter::Parenthesis,
            Delimiter::Bracket,
            Delimiter::Brace,
            Delimiter::None,
        ];
        (select(delimiters.to_vec()), vec(inner, 0..4)).prop_map(|(delimiter, tokens)| {
            TokenTree::Group(Group::new(delimiter, tokens.into_iter().collect()))
        })
    })
}

/// What stands in quotes, nearly legal.
fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[0-9]{0,20} ?(ms|s|m|h|d|w|B|KiB|MiB|GiB|month|é)?( [0-9]{1,3}[a-z])?",
        "(wait|reject|global|body|json|optional|serializable)?[ 0-9a-zé]{0,6}",
        "([1-6]xx|[0-9]{2,4}|é)?(, ?([1-6]xx|[0-9]{3}))?",
        "[A-Za-z:<>(),' é]{0,8}",
    ]
}

/// A change of a list of tokens, somewhere in it or within one of its groups.
#[derive(Clone, Debug)]
struct Change {
    at: Index,
    leaves_out: bool,
    puts_in: Option<TokenTree>,
    goes_within: bool,
}

fn change() -> impl Strategy<Value = Change> {
    let parts = (
        any::<Index>(),
        any::<bool>(),
        proptest::option::of(token()),
        any::<bool>(),
    );
    parts.prop_map(|(at, leaves_out, puts_in, goes_within)| Change {
        at,
        leaves_out,
        puts_in,
        goes_within,
    })
}

fn changed(tokens: TokenStream, change: &Change) -> TokenStream {
    let mut tokens: Vec<_> = tokens.into_iter().collect();
    let at = change.at.index(tokens.len() + 1);
    match tokens.get_mut(at) {
        Some(TokenTree::Group(group)) if change.goes_within => {
            *group = Group::new(group.delimiter(), changed(group.stream(), change));
        }
        Some(_) if change.leaves_out => {
            tokens.remove(at);
        }
        _ => {}
    }
    if let Some(new) = change.puts_in.clone() {
        tokens.insert(at.min(tokens.len()), new);
    }
    tokens.into_iter().collect()
}

fn all_changed(tokens: TokenStream, changes: &[Change]) -> TokenStream {
    changes.iter().fold(tokens, changed)
}

fn parsed(text: &str) -> TokenStream {
    text.parse().unwrap()
}

/// Some of the options in any order.
fn options() -> impl Strategy<Value = String> {
    let others = subsequence(&OPTIONS[1..], 0..OPTIONS.len()).prop_shuffle();
    (others, any::<Index>()).prop_map(|(mut options, at)| {
        options.insert(at.index(options.len() + 1), OPTIONS[0]);
        options.join(", ")
    })
}

fn any_item() -> impl Strategy<Value = TokenStream> {
    select([HANDLERS, OTHERS].concat()).prop_map(parsed)
}

/// The functions at the top of an expansion, and whether it has an error for the user.
fn read(expansion: TokenStream) -> (Option<File>, bool) {
    let has_error = expansion.to_string().contains("compile_error");
    (syn::parse2(expansion).ok(), has_error)
}

fn defines(file: &File, name: &Ident) -> bool {
    let is_it = |item: &Item| matches!(item, Item::Fn(function) if function.sig.ident == *name);
    file.items.iter().any(is_it)
}

/// A function is expanded, or stays under its name beside an error; so does any other item.
fn assert_expands_or_says_why(
    options: TokenStream,
    item: &TokenStream,
) -> Result<(), TestCaseError> {
    let (file, has_error) = read(idempotent(options, item));
    match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => {
            prop_assert!(file.is_some_and(|file| defines(&file, &function.sig.ident)));
        }
        Err(_) => prop_assert!(has_error),
    }
    Ok(())
}

proptest! {
    #[test]
    fn valid_options_expand_without_an_error(options in options(), handler in select(HANDLERS)) {
        let (file, has_error) = read(idempotent(parsed(&options), &parsed(handler)));
        prop_assert!(!has_error, "{options}");
        let function: ItemFn = syn::parse_str(handler).unwrap();
        prop_assert!(file.is_some_and(|file| defines(&file, &function.sig.ident)));
    }

    #[test]
    fn a_mutated_attribute_expands_or_reports_an_error(
        options in options(),
        changes in vec(change(), 1..4),
        handler in select(HANDLERS),
    ) {
        assert_expands_or_says_why(all_changed(parsed(&options), &changes), &parsed(handler))?;
    }

    #[test]
    fn any_option_value_expands_or_reports_an_error(
        option in select(OPTIONS),
        value in prop_oneof![any::<String>(), value()],
        is_quoted: bool,
    ) {
        let name = option.split(' ').next().unwrap_or_default();
        let value = if is_quoted { Literal::string(&value).to_string() } else { value };
        // What is no Rust at all does not come as far as a macro.
        if let Ok(options) = format!("scope = global, {name} = {value}").parse() {
            assert_expands_or_says_why(options, &parsed(HANDLERS[0]))?;
        }
    }

    #[test]
    fn any_amount_expands_or_reports_an_error(
        option in select(&["ttl", "timeout", "in_flight", "max_body", "max_response"][..]),
        wait in select(&["", "wait "][..]),
        amounts in vec(("(0|[1-9][0-9]{0,4}|[0-9]{17,21})", select(UNITS)), 1..3),
    ) {
        let amounts: String = amounts.into_iter().map(|(count, unit)| count + unit).collect();
        let options = format!("scope = global, {option} = \"{wait}{amounts}\"");
        assert_expands_or_says_why(parsed(&options), &parsed(HANDLERS[0]))?;
    }

    #[test]
    fn a_mutated_item_expands_or_reports_an_error(
        item in any_item(),
        changes in vec(change(), 0..4),
        options in options(),
    ) {
        let item = all_changed(item, &changes);
        assert_expands_or_says_why(parsed(&options), &item)?;
        // The derive has an error, or what it makes are items.
        let (file, has_error) = read(derive(item));
        prop_assert!(file.is_some() || has_error);
    }

    #[test]
    fn random_tokens_expand_or_report_an_error(
        options in vec(token(), 0..12),
        item in vec(token(), 0..12),
        handler in select(HANDLERS),
    ) {
        let (options, item): (TokenStream, TokenStream) =
            (options.into_iter().collect(), item.into_iter().collect());
        assert_expands_or_says_why(options.clone(), &parsed(handler))?;
        assert_expands_or_says_why(options, &item)?;
    }
}
