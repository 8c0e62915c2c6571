//! Programs of this crate that another one starts: they end with it.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Starts a program that knows `--stop-at-eof`, and waits until a line of its output says that it is ready.
///
/// It is killed when the child is dropped, and stops when this process ends.
///
/// # Errors
///
/// The program cannot be started, or ends, or is not ready within half a minute.
pub(crate) async fn start<T>(
    mut program: Command,
    is_ready: impl Fn(&str) -> Option<T>,
) -> io::Result<(Child, T)> {
    let mut child = program
        .arg("--stop-at-eof")
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut lines = BufReader::new(output).lines();
    let find = async {
        while let Some(line) = lines.next_line().await? {
            if let Some(ready) = is_ready(&line) {
                return Ok(ready);
            }
        }
        Err(io::Error::other("it has ended; its log says why"))
    };
    let found = timeout(PATIENCE, find).await;
    let ready = found.map_err(|_| io::Error::other("it does not get ready"))??;
    Ok((child, ready))
}

const PATIENCE: Duration = Duration::from_secs(30);
