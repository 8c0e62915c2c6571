//! The conformance suite as a program.
//!
//! It exits with 0 if every requirement that it insists on is met or not applicable, with 1 if one is not met, and
//! with 2 if the options are wrong, the server cannot be reached, or the report cannot be written.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;
use idem_conformance::{Options, check};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let report = match check(&options).await {
        Ok(report) => report,
        Err(error) => return fail(&error),
    };
    let text = match options.json {
        true => report.to_json(),
        false => Ok(report.to_text(&options)),
    };
    let printed = text.map_err(io::Error::from).and_then(|text| print(&text));
    match printed {
        // Whoever reads the report has seen enough, and the exit code says the rest.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            return fail(&format!("the report cannot be written: {error}"));
        }
        _ => {}
    }
    match report.is_conformant(&options) {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn print(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

fn fail(error: &str) -> ExitCode {
    // Whoever closed standard error does not want to know.
    drop(writeln!(io::stderr(), "idem-conformance: {error}"));
    ExitCode::from(2)
}
