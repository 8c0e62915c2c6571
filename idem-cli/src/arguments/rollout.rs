//! The options of `rollout`.

use clap::Subcommand;
use clap::builder::NonEmptyStringValueParser;
use idem_core::RolloutRule;

#[derive(Debug, Subcommand)]
pub(crate) enum Rollout {
    /// Lists the rules in the table. Operations without one have the rule of `*`, or of their node.
    Show,
    /// Sets the rule of an operation. Each node follows it when it has read the table.
    Set {
        /// Such as `POST /payments`, or `*` for all operations without a rule of their own.
        operation: String,
        /// Such as `observe`, or `observe>enforce@25%`.
        rule: RolloutRule,
        /// Who wants it and why; the audit log contains it.
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        by: String,
    },
    /// Deletes the rule of an operation, so that each node uses its own.
    Withdraw {
        /// As `show` lists it.
        operation: String,
        /// Who wants it and why; the audit log contains it.
        #[arg(long, value_parser = NonEmptyStringValueParser::new())]
        by: String,
    },
}
