//! Each planted bug still matches the sources, and the tests that should catch it exist.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

#[test]
#[cfg_attr(idem_no_python, ignore = "needs python3")]
fn every_planted_bug_matches_its_source_and_names_existing_tests() {
    let run = concat!(env!("CARGO_MANIFEST_DIR"), "/mutants/run");
    let checked = Command::new("python3").args([run, "--check"]).output();
    let checked = checked.unwrap();
    let errors = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{errors}");
}
