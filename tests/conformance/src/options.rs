//! The server under test, its operation, and which requirements to judge.

use std::fmt;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::requirement::{Level, Requirement, Source};

/// Checks whether a server's operation keeps the Idempotency-Key draft, and what Idem promises beyond it.
///
/// The suite really carries the operation out, dozens of times, so point it at a server for tests. In a path or a body `{unique}`
/// stands for a text that is new for each key. What needs an option that is not given counts as not applicable.
#[derive(Clone, Debug, Parser)]
#[command(name = "idem-conformance")]
pub struct Options {
    /// Where the server is, such as `http://127.0.0.1:8080`.
    #[arg(long, value_name = "URL")]
    pub base_url: String,
    /// Fill in what is not given for the payments API of `examples/payments`.
    #[arg(long)]
    pub payments: bool,
    /// The operation's path, with a query if it has one.
    #[arg(long)]
    pub path: Option<String>,
    /// The operation's method.
    #[arg(long, default_value = "POST")]
    pub method: String,
    /// A header of each request, such as `Authorization: Bearer …`; no report shows its value.
    #[arg(long, value_name = "NAME: VALUE")]
    pub header: Vec<HeaderLine>,
    /// The body of a request that succeeds.
    #[arg(long, value_name = "JSON")]
    pub body: Option<String>,
    /// Another request that succeeds: the same body with a field changed.
    #[arg(long, value_name = "JSON")]
    pub other_body: Option<String>,
    /// A request that takes about a second, so that others come while it runs.
    #[arg(long, value_name = "JSON")]
    pub slow_body: Option<String>,
    /// A request that is refused before it does anything (4xx), and whose refusal is not stored.
    #[arg(long, value_name = "JSON")]
    pub invalid_body: Option<String>,
    /// A request that fails with 5xx.
    #[arg(long, value_name = "JSON")]
    pub failing_body: Option<String>,
    /// A request whose refusal is a result that retries get again, such as a declined card.
    #[arg(long, value_name = "JSON")]
    pub declined_body: Option<String>,
    /// The header that carries the key.
    #[arg(long, value_name = "NAME", default_value = "Idempotency-Key")]
    pub key_header: String,
    /// Send keys as `abc` instead of `"abc"`, to a server that does not read the draft's String.
    #[arg(long)]
    pub bare_keys: bool,
    /// The operation also accepts requests without a key.
    #[arg(long)]
    pub key_optional: bool,
    /// What lists the effects of one key, such as `/payments?reference={unique}`.
    #[arg(long, value_name = "PATH")]
    pub list_path: Option<String>,
    /// Where the array is in that list, as a JSON pointer, such as `/payments`.
    #[arg(long, value_name = "POINTER", default_value = "")]
    pub list_pointer: String,
    /// A header by which another tenant takes the place of the one in `--header`.
    #[arg(long, value_name = "NAME: VALUE")]
    pub other_tenant_header: Option<HeaderLine>,
    /// Where the server publishes what it does with keys, such as `/idempotency.json`.
    #[arg(long, value_name = "PATH")]
    pub policy_path: Option<String>,
    /// Judge one half alone; the draft's half has the RFCs too.
    #[arg(long)]
    pub only: Option<Only>,
    /// Fail also where a SHOULD is not met.
    #[arg(long)]
    pub strict: bool,
    /// How many seconds to wait for a response.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub timeout: u64,
    /// Print one JSON document, with all that was sent and seen.
    #[arg(long)]
    pub json: bool,
    /// Show what was sent and seen for the requirements that are met, too.
    #[arg(long, short)]
    pub verbose: bool,
}

/// A header's name and value, which may be a secret.
#[derive(Clone)]
pub struct HeaderLine(pub(crate) String);

impl<T: Into<String>> From<T> for HeaderLine {
    fn from(line: T) -> Self {
        Self(line.into())
    }
}

impl fmt::Debug for HeaderLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// One half of the requirements.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Only {
    /// Those of the draft, and of the RFCs that it stands on.
    Draft,
    /// Those of Idem.
    Contract,
}

impl Options {
    /// Reads options as the command line has them, without the program's name.
    ///
    /// # Errors
    ///
    /// The text for the user.
    pub fn from_args<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        let args = ["idem-conformance"].into_iter().chain(args);
        Self::try_parse_from(args).map_err(|error| error.to_string())
    }

    /// Whether the requirement is to be judged.
    pub fn selects(&self, requirement: &Requirement) -> bool {
        let is_contract = matches!(requirement.source, Source::Contract(_));
        match self.only {
            None => true,
            Some(Only::Draft) => !is_contract,
            Some(Only::Contract) => is_contract,
        }
    }

    /// Whether the program fails where a requirement of this level is not met.
    pub fn insists_on(&self, level: Level) -> bool {
        match level {
            Level::Must | Level::Idem => true,
            Level::Should => self.strict,
            Level::May => false,
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The options with what `--payments` stands for.
    pub(crate) fn filled_in(&self) -> Self {
        let mut filled = self.clone();
        if !self.payments {
            return filled;
        }
        let body = |field: &mut Option<String>, changed: &str| {
            let body = || format!(r#"{{"currency":"EUR","reference":"{{unique}}",{changed}}}"#);
            field.get_or_insert_with(body);
        };
        body(&mut filled.body, r#""amount":100"#);
        body(&mut filled.other_body, r#""amount":101"#);
        body(
            &mut filled.slow_body,
            r#""amount":100,"source":"tok_slow_1000""#,
        );
        body(&mut filled.invalid_body, r#""amount":0"#);
        body(
            &mut filled.failing_body,
            r#""amount":100,"source":"tok_error""#,
        );
        body(
            &mut filled.declined_body,
            r#""amount":100,"source":"tok_declined""#,
        );
        if filled.list_path.is_none() {
            filled.list_path = Some("/payments?reference={unique}".to_owned());
            filled.list_pointer = "/payments".to_owned();
        }
        filled.path.get_or_insert_with(|| "/payments".to_owned());
        let policy_path = || "/idempotency.json".to_owned();
        filled.policy_path.get_or_insert_with(policy_path);
        if filled.header.is_empty() {
            filled.header = vec!["Authorization: Bearer acme-demo-key".into()];
            let other = || "Authorization: Bearer globex-demo-key".into();
            filled.other_tenant_header.get_or_insert_with(other);
        }
        filled
    }
}
