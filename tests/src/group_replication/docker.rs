//! Docker's command line, which stops containers and takes them off their network.

use std::process::{Command, Output};

use tokio::task::spawn_blocking;

/// Runs a command to its end, and returns what it prints.
pub(super) async fn docker(arguments: &[&str]) -> String {
    let output = run(arguments).await;
    assert!(output.status.success(), "docker {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that may find nothing to do.
pub(super) async fn docker_if_needed(arguments: &[&str]) {
    let _done_before = run(arguments).await;
}

/// The command, for those who cannot wait.
pub(super) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}

async fn run(arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    let output = spawn_blocking(move || command.output()).await.unwrap();
    output.expect("Docker's command line is installed")
}
