//! Asks before what cannot be undone.

use std::io::{self, IsTerminal, Write};

use crate::failure::Failure;
use crate::output::text::printable;

/// Asks on the terminal whether to do it. Without a terminal only `--yes` agrees.
///
/// `effect` is a sentence without a full stop that says what will be affected.
pub(crate) async fn confirm(is_agreed: bool, effect: &str) -> Result<(), Failure> {
    let effect = printable(effect);
    if is_agreed {
        return Ok(());
    }
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        let text =
            format!("{effect}; nothing was changed: add --yes where no terminal can be asked");
        return Err(Failure::No(text));
    }
    write!(io::stderr(), "{effect}. Go on? [y/N] ")?;
    let answer = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await.map_err(io::Error::other)??;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::No("nothing was changed".to_owned())),
    }
}
