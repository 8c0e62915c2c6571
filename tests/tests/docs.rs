//! What the documents name is there.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_guarantees_name_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut code = String::new();
    for folder in [
        "tests",
        "tests/behaviour",
        "tests/brokers",
        "tests/galera",
        "tests/payments",
    ] {
        for file in fs::read_dir(root.join(folder)).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                code.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let guarantees = fs::read_to_string(root.join("../docs/GUARANTEES.md")).unwrap();
    let (_, tested) = guarantees.split_once("## What is tested").unwrap();
    let (tested, _) = tested.split_once("## What is not promised").unwrap();
    let names: Vec<_> = tested
        .split('`')
        .filter(|word| word.matches('_').count() > 2 && !word.contains(['(', '.', ' ']))
        .collect();
    assert!(!names.is_empty());
    for name in names {
        assert!(code.contains(&format!("fn {name}(")), "no test {name}");
    }
}
