//! Links between the documents have existing targets.

use std::fs;
use std::path::{Path, PathBuf};

use super::source;

#[test]
fn each_document_link_points_to_an_existing_file_and_heading() {
    let documents = documents(source::root());
    assert!(documents.len() > 10, "{documents:?}");
    let mut dead = Vec::new();
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        let folder = document.parent().unwrap();
        dead.extend(
            links(&text)
                .filter(|link| !leads_somewhere(&document, folder, link))
                .map(|link| format!("{}: {link}", document.display())),
        );
    }
    assert_eq!(dead, Vec::<String>::new());
}

/// The Markdown files of a folder and its subfolders. Rustdoc checks those beside sources.
fn documents(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "target" && name != "src" && !name.starts_with('.') {
                found.extend(documents(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found
}

/// The targets of `[text](target)` that are not web addresses.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1);
    let targets = targets.filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.contains("://") && !target.contains(char::is_whitespace))
}

fn leads_somewhere(document: &Path, folder: &Path, link: &str) -> bool {
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => document.to_owned(),
        path => folder.join(path),
    };
    match heading {
        "" => target.exists(),
        heading => fs::read_to_string(target)
            .is_ok_and(|text| headings(&text).any(|there| there == heading)),
    }
}

/// The headings as link anchors.
fn headings(text: &str) -> impl Iterator<Item = String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| {
        let words = line.trim_start_matches('#').trim().to_lowercase();
        let kept = words
            .chars()
            .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.collect::<String>().replace(' ', "-")
    })
}

#[test]
fn a_dead_link_is_found() {
    let text =
        "# What is not promised\n[a](#what-is-not-promised) [b](#no) [c](https://a.b/c) [d](e.md)";
    let found: Vec<_> = links(text).collect();
    assert_eq!(found, ["#what-is-not-promised", "#no", "e.md"]);
    assert!(headings(text).any(|heading| heading == "what-is-not-promised"));
    assert!(!leads_somewhere("none.md".as_ref(), ".".as_ref(), found[2]));
}
