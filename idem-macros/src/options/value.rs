//! Reads the value of one option: one function for each kind of value.
//!
//! An error stands on the whole literal: a span inside a string is not available on stable Rust.
//! The text says which part is meant.
//!
//! Strings hold what is no Rust (`"24h"`, `"2xx, 409"`), bare tokens what is (a type, a path, a
//! name). `24h` without quotes is one token to Rust, a number with a suffix, and `1h 30m` is two,
//! so amounts need the quotes. Words may stand in either form.

use std::ops::RangeInclusive;

use proc_macro2::{Group, Span};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::punctuated::Punctuated;
use syn::{Error, Ident, Lit, LitStr, Path, Result, Token, Type};

use crate::errors::Errors;
use crate::options::model::{Amount, Fingerprint, Scope};
use crate::options::statuses::{self, StoredStatuses};
use crate::options::suggest::{listed, nearest};
use crate::options::units::{DAY, GIB, HOUR, MINUTE, SECOND, duration_ms, size_bytes};

/// One second to ten years, the bounds of `Policy::MIN_TTL` and `MAX_TTL`.
pub(crate) const TTL: RangeInclusive<u64> = SECOND..=3_650 * DAY;
/// 10 milliseconds to one hour, as `Policy` has it. Zero is no limit for a database.
pub(crate) const TIMEOUT: RangeInclusive<u64> = 10..=HOUR;
const WAIT: RangeInclusive<u64> = 1..=10 * MINUTE;
const SIZE: RangeInclusive<u64> = 1..=GIB;

/// A scope's name in quotes, `"global"`, a type, or the name of a parameter.
///
/// The forms are easily confused, so each has an error that shows the other: a type in quotes here,
/// and where the handler is checked a word that is no parameter. `global` stands in either form,
/// since nothing else is meant by it.
pub(crate) fn scope(input: ParseStream<'_>) -> Result<Scope> {
    if !input.peek(LitStr) {
        return scope_type(input);
    }
    let name: LitStr = input.parse()?;
    match name.value().as_str() {
        "global" => Ok(Scope::Global),
        value if is_name(value) => Ok(Scope::Named(name)),
        value if syn::parse_str::<Type>(value).is_ok() && value.contains(['<', ':', '(']) => {
            let text = format!("a scope that is a type stands without quotes: `scope = {value}`");
            Err(Error::new(name.span(), text))
        }
        _ => Err(Error::new(
            name.span(),
            "the name of a scope is a word such as \"tenant\"",
        )),
    }
}

/// A scope without quotes. A word in lower case is a parameter, unless a path goes on behind it
/// (`auth::Tenant`): types begin with a capital.
fn scope_type(input: ParseStream<'_>) -> Result<Scope> {
    if let Ok(name) = input.fork().call(Ident::parse_any) {
        let name = name.to_string();
        if name == "global" {
            input.call(Ident::parse_any)?;
            return Ok(Scope::Global);
        }
        if name.starts_with(char::is_lowercase) && !input.peek2(Token![::]) {
            return input.call(Ident::parse_any).map(Scope::Parameter);
        }
    }
    input.parse().map(|ty| Scope::Type(Box::new(ty)))
}

pub(crate) fn duration(input: ParseStream<'_>, bounds: RangeInclusive<u64>) -> Result<Amount> {
    let text = text(input, "24h")?;
    let value = duration_ms(&text.value(), &bounds).map_err(at(text.span()))?;
    Ok(Amount { value, text })
}

pub(crate) fn size(input: ParseStream<'_>) -> Result<Amount> {
    let text = text(input, "64KiB")?;
    let value = size_bytes(&text.value(), &SIZE).map_err(at(text.span()))?;
    Ok(Amount { value, text })
}

/// The name of an operation, with the rules of `Operation::new`, so that a wrong one is no 500 at
/// the first request.
///
/// It is a part of the record's name and a label of metrics: control characters would spoil either.
/// `inbox:` begins the operations of message consumers, whose records are in the same table.
pub(crate) fn operation(input: ParseStream<'_>) -> Result<LitStr> {
    let text = text(input, "payments.create")?;
    let value = text.value();
    if value.is_empty() || value.len() > 255 {
        return Err(Error::new(
            text.span(),
            "the name of an operation has 1 to 255 bytes",
        ));
    }
    if value.starts_with("inbox:") {
        let reason =
            "the name of an operation does not begin with `inbox:`: such are consumers' names";
        return Err(Error::new(text.span(), reason));
    }
    if value.contains(char::is_control) {
        let reason = "the name of an operation has no control characters";
        return Err(Error::new(text.span(), reason));
    }
    Ok(text)
}

/// One of `known`, as a bare word or in quotes.
pub(crate) fn word(input: ParseStream<'_>, known: &[&'static str]) -> Result<&'static str> {
    let (word, span) = if input.peek(LitStr) {
        let text: LitStr = input.parse()?;
        (text.value(), text.span())
    } else {
        let word = input.call(Ident::parse_any).map_err(|error| {
            Error::new(
                error.span(),
                format!("expected one of {}", listed(known.iter().copied())),
            )
        })?;
        (word.to_string(), word.span())
    };
    known
        .iter()
        .copied()
        .find(|name| *name == word)
        .ok_or_else(|| not_one_of(&word, known, span))
}

fn not_one_of(word: &str, known: &[&'static str], span: Span) -> Error {
    let legal = listed(known.iter().copied());
    let cure = match nearest(word, known.iter().copied()) {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None => String::new(),
    };
    Error::new(span, format!("`{word}` is not one of {legal}{cure}"))
}

/// `body`, `json`, or the path of a function. A function that is itself called `json` needs a
/// longer path: `self::json`.
pub(crate) fn fingerprint(input: ParseStream<'_>) -> Result<Fingerprint> {
    if input.peek(LitStr) {
        return Ok(match word(input, &["body", "json"])? {
            "json" => Fingerprint::Json,
            _ => Fingerprint::Body,
        });
    }
    let path: Path = input.parse().map_err(|error| {
        Error::new(
            error.span(),
            "expected `\"body\"`, `\"json\"` or the path of a function",
        )
    })?;
    Ok(match path.get_ident() {
        Some(word) if word == "body" => Fingerprint::Body,
        Some(word) if word == "json" => Fingerprint::Json,
        _ => Fingerprint::With(path),
    })
}

/// Header names in lower case, as `HeaderMap` has them.
///
/// Each name is checked by itself, and all that are wrong are reported. An empty list is refused:
/// it would say the same as no list.
pub(crate) fn headers(input: ParseStream<'_>) -> Result<Vec<String>> {
    let shape = "expected a list of header names: `[\"x-currency\"]`";
    let list: Group = input
        .parse()
        .map_err(|error| Error::new(error.span(), shape))?;
    let names = Punctuated::<LitStr, Token![,]>::parse_terminated
        .parse2(list.stream())
        .map_err(|error| Error::new(error.span(), shape))?;
    if names.is_empty() {
        return Err(Error::new(list.span(), shape));
    }
    let (mut headers, mut errors) = (Vec::new(), Errors::default());
    for name in &names {
        let lower = name.value().to_ascii_lowercase();
        if !is_header_name(&lower) {
            let text = format!("\"{}\" is not the name of a header", name.value());
            errors.push(Error::new(name.span(), text));
        } else if headers.contains(&lower) {
            errors.push(Error::new(
                name.span(),
                format!("\"{lower}\" is in the list twice"),
            ));
        } else {
            headers.push(lower);
        }
    }
    errors.into_result(headers)
}

/// The list of `store`. Each of its mistakes is an error of its own, on the same literal.
pub(crate) fn store(input: ParseStream<'_>) -> Result<StoredStatuses> {
    let text = text(input, "2xx, 3xx, 409")?;
    let mut errors = Errors::default();
    let store = statuses::parse(&text.value()).unwrap_or_else(|reasons| {
        reasons
            .into_iter()
            .for_each(|reason| errors.push(Error::new(text.span(), reason)));
        StoredStatuses::default()
    });
    errors.into_result(store)
}

/// How long to wait for the running attempt; `None` refuses at once.
///
/// `wait` needs a limit, and so the form in quotes. The text that is kept is the limit alone, since
/// the documentation says "up to 5s".
pub(crate) fn in_flight(input: ParseStream<'_>) -> Result<Option<Amount>> {
    word_or_time(input, ["reject", "wait"], "5s", &WAIT)
}

/// How long after its ttl a key is refused; `None` runs it.
pub(crate) fn late_retries(input: ParseStream<'_>) -> Result<Option<Amount>> {
    word_or_time(input, ["run", "refuse"], "30d", &TTL)
}

/// Either of two words, of which the second one is followed by a time: `None` is the first one.
fn word_or_time(
    input: ParseStream<'_>,
    [plain, timed]: [&'static str; 2],
    example: &str,
    bounds: &RangeInclusive<u64>,
) -> Result<Option<Amount>> {
    let how_long = format!("how long? write \"{timed} {example}\"");
    if !input.peek(LitStr) {
        return match word(input, &[plain, timed])? {
            word if word == plain => Ok(None),
            _ => Err(input.error(how_long)),
        };
    }
    let text: LitStr = input.parse()?;
    let value = text.value();
    let (word, time) = value.split_once(' ').unwrap_or((&value, ""));
    match (word, time.trim()) {
        (word, "") if word == plain => Ok(None),
        (word, "") if word == timed => Err(Error::new(text.span(), how_long)),
        (word, time) if word == timed => {
            let value = duration_ms(time, bounds).map_err(at(text.span()))?;
            Ok(Some(Amount {
                value,
                text: LitStr::new(time, text.span()),
            }))
        }
        _ => {
            let reason = format!("\"{value}\" is neither \"{plain}\" nor \"{timed} {example}\"");
            Err(Error::new(text.span(), reason))
        }
    }
}

/// The name of a function, bare or in quotes.
pub(crate) fn name(input: ParseStream<'_>) -> Result<Ident> {
    if input.peek(LitStr) {
        return input.parse::<LitStr>()?.parse();
    }
    input.parse()
}

/// A string literal. Anything else gets an example, and `24h` its own text in quotes.
fn text(input: ParseStream<'_>, example: &str) -> Result<LitStr> {
    let begin = input.span();
    match input.parse::<Lit>() {
        Ok(Lit::Str(text)) => Ok(text),
        // `24h` without quotes is one token, a number with a suffix.
        Ok(Lit::Int(number)) if !number.suffix().is_empty() => Err(Error::new(
            number.span(),
            format!("write it in quotes: \"{number}\""),
        )),
        _ => Err(Error::new(
            begin,
            format!("expected a text in quotes, such as \"{example}\""),
        )),
    }
}

/// Puts a sentence of `units` on the literal that it is about.
fn at(span: Span) -> impl Fn(String) -> Error {
    move |reason| Error::new(span, reason)
}

fn is_name(text: &str) -> bool {
    syn::parse_str::<Ident>(text).is_ok()
}

/// A token of RFC 9110, section 5.6.2, in lower case.
fn is_header_name(text: &str) -> bool {
    let legal = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"!#$%&'*+-.^_`|~".contains(&byte)
    };
    !text.is_empty() && text.bytes().all(legal)
}
