//! The conformance suite as a program.
//!
//! It exits with 0 if every requirement that it insists on is met or not applicable, with 1 if one is not met, and
//! with 2 if the options are wrong or the server cannot be reached.

use std::process::ExitCode;

use clap::Parser;
use idem_conformance::{Options, check};

#[tokio::main(flavor = "current_thread")]
#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the report is the program's output"
)]
async fn main() -> ExitCode {
    let options = Options::parse();
    let report = match check(&options).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("idem-conformance: {error}");
            return ExitCode::from(2);
        }
    };
    match options.json.then(|| serde_json::to_string_pretty(&report)) {
        Some(Ok(json)) => println!("{json}"),
        Some(Err(error)) => eprintln!("idem-conformance: {error}"),
        None => print!("{}", report.to_text(&options)),
    }
    match report.is_conformant(&options) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
