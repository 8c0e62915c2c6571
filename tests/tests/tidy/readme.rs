//! The README is short, and its versions and handlers are right.

use std::fs;

use super::source;

fn read(path: &str) -> String {
    fs::read_to_string(source::root().join(path)).unwrap()
}

#[test]
fn the_versions_in_the_readme_are_those_of_the_workspace() {
    let cargo = read("Cargo.toml");
    let version = |start: &str| {
        let mut values = cargo.lines().filter_map(|line| line.strip_prefix(start));
        let value = values.next().unwrap_or_else(|| panic!("no {start}"));
        // A third number is the lowest that has what Idem calls: who adds Idem gets that or a newer one.
        let numbers = value.split('"').nth(1).unwrap().split('.');
        numbers.take(2).collect::<Vec<_>>().join(".")
    };
    let (rust, axum, sqlx) = (
        version("rust-version = "),
        version("axum = "),
        version("sqlx = "),
    );
    let expected = format!("Idem needs Rust {rust} or newer, axum {axum} and SQLx {sqlx}.\n");
    assert!(read("README.md").contains(&expected), "{expected}");
    for package in ["idem-core", "idem-axum", "idem-macros", "idem-cli"] {
        let package = read(&format!("{package}/Cargo.toml"));
        assert!(package.contains("\nrust-version.workspace = true\n"));
    }
    let core = read("idem-core/Cargo.toml");
    assert!(core.contains(&format!("\nsqlx-core = \"{sqlx}\"\n")));
}

#[test]
fn the_first_screen_shows_a_handler_before_and_after() {
    let readme = read("README.md");
    let blocks: Vec<_> = blocks(&readme, "rs").collect();
    let [before, after] = blocks[..] else {
        panic!("{blocks:?}");
    };
    let programs: Vec<_> = blocks_of_programs(&readme);
    assert!(read("tests/tests/tidy/readme_before.rs").ends_with(before));
    assert!(
        programs.iter().any(|program| program.contains(after)),
        "{after}"
    );
    for handler in [before, after] {
        assert!(handler.lines().count() <= 8, "{handler}");
    }
}

#[test]
fn the_readme_is_short() {
    assert!(read("README.md").lines().count() <= 150);
}

/// Programs are compiled as doctests.
fn blocks_of_programs(document: &str) -> Vec<&str> {
    blocks(document, "rust,no_run").collect()
}

/// The code blocks fenced with this word.
fn blocks<'d>(document: &'d str, word: &str) -> impl Iterator<Item = &'d str> {
    let fence = format!("\n```{word}\n");
    let mut rest = document;
    std::iter::from_fn(move || {
        let (_, block) = rest.split_once(&fence)?;
        let (block, after) = block.split_once("```")?;
        rest = after;
        Some(block)
    })
}
