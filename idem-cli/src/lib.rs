//! The operator's command for services that use Idem, as a library.
//!
//! The program `idem` of this package works on any database that has Idem's tables. A service that
//! has its own command line embeds the same commands instead: it adds [`Arguments`] as a subcommand
//! and calls [`run`] with its own inbox. Turn the default features off then, since the service
//! chooses its database itself.
//!
//! # Examples
//!
//! ```no_run
//! use clap::Parser;
//! use idem_core::{Idempotency, Inbox};
//!
//! #[derive(Parser)]
//! enum Command {
//!     /// Serves requests.
//!     Serve,
//!     /// Shows and changes what Idem has stored.
//!     #[command(after_help = idem_cli::EXIT_CODES)]
//!     Idem(idem_cli::Arguments),
//! }
//!
//! # async fn main_of(pool: sqlx::Pool<impl idem_core::Backend>) -> std::process::ExitCode {
//! match Command::parse() {
//!     Command::Serve => { /* … */ }
//!     Command::Idem(arguments) => {
//!         let inbox = Inbox::new(Idempotency::new(pool));
//!         return idem_cli::run(&inbox, &arguments).await;
//!     }
//! }
//! # std::process::ExitCode::SUCCESS
//! # }
//! ```
//!
//! # Output
//!
//! Results go to standard output, as tables or with `--json` as one JSON object per line: one for each
//! entry of a list, else one in all. Errors, questions and hints go to standard error.
//!
//! Whatever changes protection is logged under the target `idem::audit` with the text of `--by`. The
//! program `idem` writes that line to standard error; a service that embeds the commands has its own
//! subscriber for it.
//!
//! No output contains a control character of a stored text: these are escaped.

mod arguments;
mod commands;
mod confirm;
mod connect;
mod failure;
mod output;
mod program;

pub use arguments::Arguments;
pub use commands::run;
pub use failure::EXIT_CODES;
pub use output::text::printable;
pub use program::main;
