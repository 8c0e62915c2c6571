//! The options in `#[idempotent(…)]`: found, parsed and checked one by one, all errors in one build.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Ident, LitStr, Path, Result, Token, Type};

use crate::errors::Errors;
use crate::options::list;
use crate::options::statuses::Store;
use crate::options::value;

/// What the attribute says, with defaults where it says nothing or something wrong.
#[derive(Default)]
pub(crate) struct Args {
    pub(crate) scope: Scope,
    pub(crate) ttl: Option<Amount>,
    pub(crate) operation: Option<LitStr>,
    pub(crate) key_optional: bool,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) fingerprint_headers: Vec<String>,
    pub(crate) max_body: Option<Amount>,
    pub(crate) max_response: Option<Amount>,
    pub(crate) store: Option<Store>,
    pub(crate) wait: Option<Amount>,
    /// Said so, which is more than not waiting: the handle may wait by default.
    pub(crate) reject: bool,
    pub(crate) timeout: Option<Amount>,
    /// Where it is asked for.
    pub(crate) serializable: Option<Span>,
    pub(crate) state: Option<Type>,
    pub(crate) plain: Option<Ident>,
}

/// Whose keys these are.
#[derive(Default)]
pub(crate) enum Scope {
    #[default]
    Global,
    Named(LitStr),
    Type(Box<Type>),
}

/// What must not change between retries.
#[derive(Default)]
pub(crate) enum Fingerprint {
    #[default]
    Body,
    Json,
    With(Path),
}

/// A number with the text it was written as.
pub(crate) struct Amount {
    pub(crate) value: u64,
    pub(crate) text: LitStr,
}

impl Args {
    /// Parses the options; what is wrong goes to `errors`, and its default is taken.
    pub(crate) fn parse(options: TokenStream, errors: &mut Errors) -> Self {
        let mut args = Self::default();
        let parsed = (|input: ParseStream<'_>| {
            args.parse_all(input, errors);
            Ok(())
        })
        .parse2(options);
        errors.check(parsed);
        args
    }

    fn parse_all(&mut self, input: ParseStream<'_>, errors: &mut Errors) {
        let mut given = Vec::new();
        while !input.is_empty() {
            if let Err(error) = self.parse_one(input, &mut given) {
                errors.push(error);
                list::skip_to_next(input);
            }
            errors.check(list::comma_or_end(input));
        }
        if !given.iter().any(|name| name == "scope") {
            errors.push(Error::new(Span::call_site(), NO_SCOPE));
        }
        if let (Some(wait), Some(timeout)) = (&self.wait, &self.timeout)
            && wait.value >= timeout.value
        {
            errors.push(Error::new(wait.text.span(), WAIT_IS_TOO_LONG));
        }
    }

    fn parse_one(&mut self, input: ParseStream<'_>, given: &mut Vec<Ident>) -> Result<()> {
        let name = input.call(Ident::parse_any).map_err(|error| {
            Error::new(
                error.span(),
                "expected an option such as `scope = \"tenant\"`",
            )
        })?;
        let example = list::example(&name)?;
        let twice = given.contains(&name);
        given.push(name.clone());
        let assigned = input.parse::<Option<Token![=]>>()?.is_some();
        if !assigned || input.is_empty() || input.peek(Token![,]) {
            let text = format!("`{name}` has no value: write `{name} = {example}`");
            return Err(Error::new(name.span(), text));
        }
        self.parse_value(&name.to_string(), input)?;
        if twice {
            return Err(Error::new(name.span(), format!("`{name}` is given twice")));
        }
        Ok(())
    }

    fn parse_value(&mut self, name: &str, input: ParseStream<'_>) -> Result<()> {
        let word = |known| value::word(input, known);
        match name {
            "scope" => self.scope = value::scope(input)?,
            "ttl" => self.ttl = Some(value::duration(input, value::TTL)?),
            "operation" => self.operation = Some(value::operation(input)?),
            "key" => self.key_optional = word(KEY)? == "optional",
            "fingerprint" => self.fingerprint = value::fingerprint(input)?,
            "fingerprint_headers" => self.fingerprint_headers = value::headers(input)?,
            "max_body" => self.max_body = Some(value::size(input)?),
            "max_response" => self.max_response = Some(value::size(input)?),
            "store" => self.store = Some(value::store(input)?),
            "in_flight" => {
                self.wait = value::in_flight(input)?;
                self.reject = self.wait.is_none();
            }
            "timeout" => self.timeout = Some(value::duration(input, value::TIMEOUT)?),
            "isolation" => {
                let span = input.span();
                self.serializable = (word(ISOLATION)? == "serializable").then_some(span);
            }
            "state" => self.state = Some(input.parse()?),
            "plain" => self.plain = Some(value::name(input)?),
            _ => return Err(input.error("this option is not parsed yet")),
        }
        Ok(())
    }
}

const KEY: &[&str] = &["required", "optional"];
const ISOLATION: &[&str] = &["default", "serializable"];

const NO_SCOPE: &str = "`scope` is missing: whose keys are these? Write
  scope = \"tenant\"    a name from `#[scopes(tenant = Tenant)]` on the router's state
  scope = Tenant      an extractor that implements `ScopeKey`, or a tuple of them
  scope = \"global\"    one space of keys for all callers";

const WAIT_IS_TOO_LONG: &str = "the wait must be shorter than the `timeout`, which includes it";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Args, Vec<String>) {
        let mut errors = Errors::default();
        let args = Args::parse(text.parse().unwrap(), &mut errors);
        (args, errors.texts())
    }

    #[test]
    fn every_option_is_read() {
        let (args, errors) = parse(
            "scope = \"tenant\", ttl = \"24h\", operation = \"payments.create\", key = optional, \
             fingerprint = path::to_fn, fingerprint_headers = [\"X-Currency\"], max_body = \"64KiB\", \
             max_response = \"1MiB\", store = \"2xx, 402\", in_flight = \"wait 5s\", \
             timeout = \"30s\", isolation = serializable, state = App<u8, u8>, plain = f_plain,",
        );
        assert_eq!(errors, [""; 0]);
        assert!(matches!(args.scope, Scope::Named(name) if name.value() == "tenant"));
        let value = |amount: Option<Amount>| amount.map(|amount| amount.value);
        assert_eq!(value(args.ttl), Some(86_400_000));
        assert_eq!(value(args.max_body), Some(65_536));
        assert_eq!(value(args.max_response), Some(1_048_576));
        assert_eq!(value(args.wait), Some(5_000));
        assert_eq!(value(args.timeout), Some(30_000));
        assert_eq!(args.fingerprint_headers, ["x-currency"]);
        assert!(matches!(args.fingerprint, Fingerprint::With(_)));
        assert!(args.key_optional && args.serializable.is_some());
        assert!(args.operation.is_some() && args.state.is_some() && args.plain.is_some());
        assert_eq!(args.store.map(|store| store.statuses), Some(vec![402]));
    }

    #[test]
    fn scopes_are_names_types_or_global() {
        assert!(matches!(parse("scope = \"global\"").0.scope, Scope::Global));
        assert!(matches!(parse("scope = global").0.scope, Scope::Global));
        assert!(matches!(
            parse("scope = auth::Tenant").0.scope,
            Scope::Type(_)
        ));
        assert!(matches!(
            parse("scope = Of<A, B>, ttl = \"1h\"").0.scope,
            Scope::Type(_)
        ));
        assert!(matches!(parse("scope = (A, B)").0.scope, Scope::Type(_)));
    }

    #[test]
    fn words_may_stand_in_quotes() {
        for text in ["key = \"optional\"", "key = optional"] {
            assert!(
                parse(&format!("scope = global, {text}")).0.key_optional,
                "{text}"
            );
        }
        for text in ["fingerprint = json", "fingerprint = \"json\""] {
            let args = parse(&format!("scope = global, {text}")).0;
            assert!(matches!(args.fingerprint, Fingerprint::Json), "{text}");
        }
        for text in ["in_flight = reject", "in_flight = \"reject\""] {
            assert!(parse(&format!("scope = global, {text}")).0.reject, "{text}");
        }
    }

    #[test]
    fn all_errors_are_told_at_once() {
        let (_, errors) =
            parse("tll = \"24h\", ttl = 24, key = optionl, store \"2xx\", max_body = \"1\"");
        assert_eq!(errors.len(), 6, "{errors:#?}");
        assert_eq!(errors[5], NO_SCOPE);
    }

    #[test]
    fn each_mistake_has_its_cure() {
        for (text, cure) in [
            ("", "`scope` is missing: whose keys are these?"),
            ("tll = \"24h\"", "unknown option `tll`; did you mean `ttl`?"),
            (
                "lease = \"30s\"",
                "unknown option `lease`; the options are `scope`, `ttl`",
            ),
            ("ttl", "`ttl` has no value: write `ttl = \"24h\"`"),
            ("ttl = ", "`ttl` has no value"),
            ("ttl(\"24h\")", "`ttl` has no value"),
            ("ttl = \"1h\", ttl = \"2h\"", "`ttl` is given twice"),
            ("ttl = 24h", "write it in quotes: \"24h\""),
            ("ttl = 24", "expected a text in quotes, such as \"24h\""),
            (
                "ttl = \"0s\"",
                "out of bounds: at least \"1s\", at most \"3650d\"",
            ),
            ("timeout = \"5ms\"", "at least \"10ms\", at most \"1h\""),
            (
                "in_flight = \"wait 11m\"",
                "at least \"1ms\", at most \"10m\"",
            ),
            ("in_flight = \"wait\"", "how long? write \"wait 5s\""),
            ("in_flight = wait", "how long? write \"wait 5s\""),
            (
                "in_flight = \"block\"",
                "neither \"reject\" nor \"wait 5s\"",
            ),
            (
                "in_flight = \"wait 5s\", timeout = \"5s\"",
                "shorter than the `timeout`",
            ),
            (
                "key = optionl",
                "`optionl` is not one of `required`, `optional`; did you mean `optional`?",
            ),
            ("fingerprint = \"jsn\"", "did you mean `json`?"),
            (
                "fingerprint_headers = \"x\"",
                "expected a list of header names",
            ),
            (
                "fingerprint_headers = [\"x y\"]",
                "\"x y\" is not the name of a header",
            ),
            (
                "fingerprint_headers = [\"x\", \"X\"]",
                "\"x\" is in the list twice",
            ),
            ("max_body = \"2GiB\"", "at least \"1B\", at most \"1GiB\""),
            ("max_response = 65536", "such as \"64KiB\""),
            ("operation = \"\"", "1 to 255 bytes"),
            ("operation = \"a\\0b\"", "no control characters"),
            ("operation = \"inbox:a\"", "consumers' names"),
            ("store = \"2xx, 4xx\"", "name each status"),
            ("scope = \"a b\"", "a word such as \"tenant\""),
            (
                "scope = \"Of<A>\"",
                "stands without quotes: `scope = Of<A>`",
            ),
            ("scope = tenant", "stands in quotes: `scope = \"tenant\"`"),
            (
                "scope = \"a\" ttl = \"1h\"",
                "expected `,` between two options",
            ),
            ("\"24h\"", "expected an option such as"),
        ] {
            let errors = parse(text).1;
            assert!(
                errors.iter().any(|error| error.contains(cure)),
                "{text}: {errors:#?}"
            );
        }
    }
}
