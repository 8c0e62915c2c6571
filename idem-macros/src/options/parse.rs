//! Parses the options one by one, and reports all mistakes in one build.
//!
//! For each option: its name, whether it is known, whether it has a value, the value, whether it
//! was given before. A mistake leaves the option at its default and skips to the next one. An
//! option that is given twice keeps the second value; its error stands on the second name.
//!
//! Behind the last one come the checks between options: the scope is there, and a wait ends before
//! the timeout. `isolation` needs the handler as well, so `idempotent.rs` checks it against the
//! `Tx`.

use proc_macro2::{Span, TokenStream};
use syn::ext::IdentExt as _;
use syn::parse::{ParseStream, Parser as _};
use syn::{Error, Ident, Result, Token};

use crate::errors::Errors;
use crate::options::model::Options;
use crate::options::{list, value};

/// Parses the options. An option that is wrong is reported to `errors` and keeps its default.
///
/// The inner closure never fails: every mistake goes to `errors`. So `parse2` has no tokens left to
/// complain of, and nothing that was read is lost.
pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Options {
    let mut parser = OptionsParser::default();
    let parsed = (|input: ParseStream<'_>| {
        parser.parse_all(input, errors);
        Ok(())
    })
    .parse2(tokens);
    errors.check(parsed);
    parser.options
}

/// The options read so far, and their names.
///
/// A name counts as given before its value is read: a wrong `scope` is not reported as missing too.
#[derive(Default)]
struct OptionsParser {
    options: Options,
    given: Vec<Ident>,
}

impl OptionsParser {
    /// Reads to the end. A wait as long as the timeout could never end by itself: the timeout
    /// includes it, and would end the attempt first.
    fn parse_all(&mut self, input: ParseStream<'_>, errors: &mut Errors) {
        while !input.is_empty() {
            if let Err(error) = self.parse_one(input) {
                errors.push(error);
                list::skip_to_next(input);
            }
            errors.check(list::comma_or_end(input));
        }
        if !self.given.iter().any(|name| name == "scope") {
            errors.push(Error::new(Span::call_site(), NO_SCOPE));
        }
        if let (Some(wait), Some(timeout)) = (&self.options.wait, &self.options.timeout)
            && wait.value >= timeout.value
        {
            errors.push(Error::new(wait.text.span(), WAIT_IS_TOO_LONG));
        }
    }

    /// Reads one option, without the comma behind it.
    ///
    /// Names are read by `parse_any`, so that a keyword such as `type` is an unknown option and no
    /// syntax error.
    fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        let name = input.call(Ident::parse_any).map_err(|error| {
            Error::new(
                error.span(),
                "expected an option such as `scope = \"tenant\"`",
            )
        })?;
        let example = list::example(&name)?;
        let twice = self.given.contains(&name);
        self.given.push(name.clone());
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

    /// Reads the value of a known option.
    ///
    /// The last arm is for an option that is in the list and not here yet.
    fn parse_value(&mut self, name: &str, input: ParseStream<'_>) -> Result<()> {
        let word = |known| value::word(input, known);
        let options = &mut self.options;
        match name {
            "scope" => options.scope = value::scope(input)?,
            "ttl" => options.ttl = Some(value::duration(input, value::TTL)?),
            "operation" => options.operation = Some(value::operation(input)?),
            "key" => options.key_optional = word(KEY)? == "optional",
            "fingerprint" => options.fingerprint = value::fingerprint(input)?,
            "fingerprint_headers" => options.fingerprint_headers = value::headers(input)?,
            "max_body" => options.max_body = Some(value::size(input)?),
            "max_response" => options.max_response = Some(value::size(input)?),
            "store" => options.store = Some(value::store(input)?),
            "in_flight" => {
                options.wait = value::in_flight(input)?;
                options.reject = options.wait.is_none();
            }
            "timeout" => options.timeout = Some(value::duration(input, value::TIMEOUT)?),
            "isolation" => {
                let span = input.span();
                options.serializable = (word(ISOLATION)? == "serializable").then_some(span);
            }
            "expect" => options.expects_retries = word(EXPECT)? == "retries",
            "late_retries" => {
                options.refuse_late = value::late_retries(input)?;
                options.run_late = options.refuse_late.is_none();
            }
            "state" => options.state = Some(input.parse()?),
            "plain" => options.plain = Some(value::name(input)?),
            _ => return Err(input.error("this option cannot be parsed yet")),
        }
        Ok(())
    }
}

const KEY: &[&str] = &["required", "optional"];
const ISOLATION: &[&str] = &["default", "serializable"];
const EXPECT: &[&str] = &["first", "retries"];

/// The scope has no default, since each of the three choices is wrong for some operation.
pub(super) const NO_SCOPE: &str = "`scope` is missing: whose keys are these? Write
  scope = \"tenant\"    a name from `#[scopes(tenant = Tenant)]` on the router's state
  scope = Tenant      an extractor that implements `ScopeKey`, or a tuple of them
  scope = \"global\"    one space of keys for all callers";

const WAIT_IS_TOO_LONG: &str = "the wait must be shorter than the `timeout`, which includes it";
