//! The tests that tables of the documents name.

use std::collections::BTreeSet;
use std::fs;

use super::source;

/// The documents that must name tests. The tables of all other documents in `docs` are checked too.
const DOCUMENTS: [&str; 2] = ["GUARANTEES.md", "SECURITY_MODEL.md"];

#[test]
fn every_test_that_a_document_names_exists() {
    let tests: BTreeSet<_> = source::tests().into_iter().map(|test| test.name).collect();
    let mut documents: Vec<_> = fs::read_dir(source::root().join("docs"))
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".md"))
        .collect();
    documents.sort();
    let mut wrong = Vec::new();
    for document in &documents {
        let text = fs::read_to_string(source::root().join("docs").join(document));
        let rows = rows_with_tests(&text.unwrap());
        let is_empty = rows.is_empty() && DOCUMENTS.contains(&document.as_str());
        assert!(!is_empty, "{document} names no test");
        for Row { line, names } in rows {
            if names.is_empty() {
                wrong.push(format!("{document}: no test in {line}"));
            }
            let absent = names.into_iter().filter(|name| !is_there(name, &tests));
            wrong.extend(absent.map(|name| format!("{document}: no test {name}")));
        }
    }
    assert!(
        DOCUMENTS
            .iter()
            .all(|name| documents.iter().any(|file| file == name)),
        "{documents:?}"
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A test, or a file of tests in another language.
fn is_there(name: &str, tests: &BTreeSet<String>) -> bool {
    tests.contains(name) || (name.contains('/') && source::root().join(name).is_file())
}

#[derive(Debug, Eq, PartialEq)]
struct Row {
    line: String,
    names: Vec<String>,
}

/// The rows of the tables whose last column's heading has the word `test` or `tests`,
/// with the texts in backticks in that column.
fn rows_with_tests(document: &str) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut names_tests = false;
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        if !line.starts_with('|') {
            names_tests = false;
        } else if lines.peek().is_some_and(|next| is_ruler(next)) {
            names_tests = last_cell(line)
                .split(' ')
                .any(|word| word == "test" || word == "tests");
            lines.next();
        } else if names_tests {
            let names = last_cell(line).split('`').skip(1).step_by(2);
            rows.push(Row {
                line: line.to_owned(),
                names: names.map(str::to_owned).collect(),
            });
        }
    }
    rows
}

/// Whether it is the line between the head of a table and its rows.
fn is_ruler(line: &str) -> bool {
    line.starts_with('|') && line.chars().all(|c| "|-: ".contains(c))
}

/// A test's name has no bar in it.
fn last_cell(line: &str) -> &str {
    let line = line.trim_end().trim_end_matches('|');
    line.rsplit('|').next().unwrap_or_default().trim()
}

#[test]
fn only_tests_are_found_in_a_source_file() {
    let source = r##"
        //! #[test] fn in_a_comment() {}
        /* #[test] fn in_a_long_comment() {} */
        const TEXT: &str = "#[test] fn in_a_string() {}";
        fn a_helper() {}
        #[cfg(test)]
        mod tests {
            #[test]
            fn plain() {}
            #[tokio::test(flavor = "multi_thread")]
            #[cfg_attr(idem_no_galera, ignore = "needs galera")]
            pub async fn of_tokio() {}
            #[cfg(test)]
            fn another_helper() {}
            proptest! {
                #[test]
                fn in_a_macro(n in 0..9) {}
            }
        }
    "##;
    let mut tests = Vec::new();
    source::find_tests(source::tokens(source), "".as_ref(), &mut tests);
    let names: Vec<_> = tests.into_iter().map(|test| test.name).collect();
    assert_eq!(names, ["plain", "of_tokio", "in_a_macro"]);
}

#[test]
fn test_names_are_read_from_the_last_column_of_a_table() {
    let document = "| failure | test |\n| --- | --- |\n| `a_b` lost | `short`, `a_b_c_d` |\n\
        | none | to be written |\n\n| word | meaning |\n| --- | --- |\n| `x` | `no_test` |\n";
    let names: Vec<_> = rows_with_tests(document)
        .into_iter()
        .map(|row| row.names)
        .collect();
    assert_eq!(names, [vec!["short", "a_b_c_d"], vec![]]);
}
