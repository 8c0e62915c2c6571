//! `payments pay`: a payment that is made once, whatever the network does.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};

use crate::client::{self, ClientError, KeyFile, Limits, Sent};
use crate::program;

/// The exit codes, for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  paid
  1  failed: nothing was sent
  2  wrong usage: an option; nothing was sent
  3  refused: no payment was made
  4  not known, or paid and not shown: run the same command again, with the same key file or the key that is shown";

/// The options of a payment.
#[derive(Args)]
pub(crate) struct Payment {
    /// The address of the API.
    #[arg(long, default_value = "http://localhost:8080")]
    url: String,
    /// The key that says who pays.
    #[arg(long, env = "PAYMENTS_API_KEY", hide_env_values = true)]
    api_key: String,
    /// The account that pays: a key file is refused for another one, and stays valid when the API key changes.
    #[arg(long, default_value = "")]
    account: String,
    /// How much, in the smallest unit of the currency.
    #[arg(long)]
    amount: i64,
    /// The currency, such as `EUR`.
    #[arg(long)]
    currency: String,
    /// The token of the card.
    #[arg(long)]
    source: Option<String>,
    /// What the payment is for.
    #[arg(long)]
    reference: Option<String>,
    /// The file that keeps the idempotency key until the outcome is known, even if this program is killed.
    #[arg(long, conflicts_with = "key")]
    key_file: Option<PathBuf>,
    /// The idempotency key that an earlier run with an unknown outcome has shown.
    #[arg(long)]
    key: Option<String>,
    /// How many times to send the payment at most, the first time included.
    #[arg(long, default_value_t = Limits::default().tries, value_parser = tries)]
    tries: usize,
    /// How long to try at most, such as `90s`.
    #[arg(long, default_value = "90s", value_parser = program::time)]
    give_up_after: Duration,
}

fn tries(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("a payment is sent at least once".to_owned()),
        Ok(tries) => Ok(tries),
        Err(error) => Err(format!("{error}")),
    }
}

/// Pays, and prints the payment.
pub(crate) async fn run(payment: &Payment) -> ExitCode {
    let response = match send(payment).await {
        Ok(response) => response,
        Err(error) => {
            say(&program::on_one_line(&error));
            return ExitCode::from(if is_unknown(&error) { UNKNOWN } else { FAILED });
        }
    };
    let (status, sent) = (
        response.status(),
        response.extensions().get::<Sent>().cloned(),
    );
    let body = response.text().await.unwrap_or_default();
    let Some(sent) = sent else {
        say("the answer does not say how it was asked for");
        return ExitCode::from(UNKNOWN);
    };
    if status.is_success() {
        if let Err(error) = print(&body) {
            say(&format!(
                "the payment was made, and cannot be shown: {error}"
            ));
            say_key(&sent);
            return ExitCode::from(UNKNOWN);
        }
    } else {
        say(&format!("{status}: {}", reason(&body)));
    }
    // A redirection is no refusal: this command does not go there, and does not know what is there.
    if !(status.is_success() && sent.is_settled || sent.did_nothing) {
        say("the payment may have been made, or may still be");
        say_key(&sent);
        return ExitCode::from(UNKNOWN);
    }
    if let Err(error) = sent.forget_key().await {
        // The same command prints the same payment again, and makes no other.
        tracing::warn!(%error, "the key file stays");
    }
    match status.is_success() {
        true => ExitCode::SUCCESS,
        false => {
            say("no payment was made");
            ExitCode::from(REFUSED)
        }
    }
}

fn say_key(sent: &Sent) {
    say(&format!(
        "its key is {}",
        sent.key.as_deref().unwrap_or_default()
    ));
}

/// Says on standard error what went wrong. A server's text in it can do nothing to a terminal.
fn say(text: &str) {
    // Whoever closed standard error does not want to know.
    drop(writeln!(
        io::stderr(),
        "payments: {}",
        idem_cli::printable(text)
    ));
}

/// Prints the payment: as it is for a program, and with nothing that a terminal would obey.
fn print(body: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.is_terminal() {
        true => {
            let lines: Vec<_> = body.lines().map(idem_cli::printable).collect();
            writeln!(stdout, "{}", lines.join("\n"))?;
        }
        false => writeln!(stdout, "{body}")?,
    }
    stdout.flush()
}

async fn send(payment: &Payment) -> reqwest_middleware::Result<reqwest::Response> {
    let limits = Limits {
        tries: payment.tries,
        total: payment.give_up_after,
        ..Limits::default()
    };
    let body = json!({
        "amount": payment.amount,
        "currency": payment.currency,
        "source": payment.source,
        "reference": payment.reference,
    });
    let mut request = client::new(limits)?
        .post(format!("{}/payments", payment.url.trim_end_matches('/')))
        .header(AUTHORIZATION, format!("Bearer {}", payment.api_key))
        .header(CONTENT_TYPE, "application/json")
        .body(body.to_string());
    if let Some(key) = &payment.key {
        request = request.header("idempotency-key", format!("\"{key}\""));
    }
    if let Some(path) = &payment.key_file {
        let file = KeyFile::at(path).account(&payment.account);
        request = request.with_extension(file);
    }
    request.send().await
}

fn is_unknown(error: &reqwest_middleware::Error) -> bool {
    let reqwest_middleware::Error::Middleware(error) = error else {
        return false;
    };
    let error = error.downcast_ref::<ClientError>();
    matches!(error, Some(ClientError::NoAnswer { .. }))
}

/// The title and detail of a problem document, or the body as it is.
fn reason(body: &str) -> String {
    let problem: Value = serde_json::from_str(body).unwrap_or_default();
    let texts = ["title", "detail"].map(|name| problem[name].as_str());
    match texts {
        [Some(title), Some(detail)] => format!("{title}. {detail}"),
        _ => body.to_owned(),
    }
}

const FAILED: u8 = 1;
const REFUSED: u8 = 3;
const UNKNOWN: u8 = 4;
