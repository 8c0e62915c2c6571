//! `docs/CONFORMANCE.md` lists the requirements of the code.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write;
use std::fs;

use idem_conformance::requirements;

#[test]
fn the_table_lists_each_requirement_with_its_source_and_level() {
    let mut table = String::from(
        "| requirement | source | level | what must hold |\n| --- | --- | --- | --- |\n",
    );
    for requirement in requirements() {
        let (id, source, says) = (requirement.id, requirement.source, requirement.says);
        let level = requirement.level.as_str();
        writeln!(table, "| `{id}` | {source} | {level} | {says} |").unwrap();
    }
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/CONFORMANCE.md");
    let page = fs::read_to_string(page).unwrap();
    assert!(page.contains(&table), "{table}");
}
