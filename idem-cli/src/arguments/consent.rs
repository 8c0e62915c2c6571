//! The options of what cannot be undone.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

/// Who wants it, and whether to ask.
#[derive(Args, Debug)]
pub(crate) struct Consent {
    /// Who wants it and why; the audit log contains it.
    #[arg(long, value_parser = NonEmptyStringValueParser::new())]
    pub(crate) by: String,
    /// Do not ask. Needed where standard input is no terminal.
    #[arg(long)]
    pub(crate) yes: bool,
}
