//! In each crate imports point down: files and folders have no import cycle.

use std::collections::{BTreeMap, BTreeSet};

use super::crates::Crate;

/// Who imports from whom.
type Graph = BTreeMap<String, BTreeSet<String>>;

#[test]
fn files_have_no_import_cycle() {
    for krate in CRATES {
        let imports = Crate::read(krate).imports();
        assert!(imports.len() > 10, "{krate}: {imports:?}");
        assert_eq!(cycle(&imports), Vec::<String>::new(), "{krate}");
    }
}

#[test]
fn folders_have_no_import_cycle() {
    for krate in CRATES {
        let mut folders = Graph::new();
        for (file, imported) in Crate::read(krate).imports() {
            let others = imported.iter().map(|file| folder(file).to_owned());
            let others = others.filter(|other| *other != folder(&file));
            folders
                .entry(folder(&file).to_owned())
                .or_default()
                .extend(others);
        }
        assert_eq!(cycle(&folders), Vec::<String>::new(), "{krate}");
    }
}

const CRATES: [&str; 4] = ["idem-core", "idem-axum", "idem-macros", "idem-cli"];

/// The folder right below `src`, or the file that lies there itself.
fn folder(file: &str) -> &str {
    file.split('/').next().unwrap_or(file)
}

/// A path from a node back to itself; empty if there is none.
fn cycle(graph: &Graph) -> Vec<String> {
    let mut finished = BTreeSet::new();
    for start in graph.keys() {
        let mut way = Vec::new();
        if walk(start, graph, &mut way, &mut finished) {
            return way;
        }
    }
    Vec::new()
}

fn walk(node: &str, graph: &Graph, way: &mut Vec<String>, finished: &mut BTreeSet<String>) -> bool {
    if finished.contains(node) {
        return false;
    }
    let start = way.iter().position(|before| before == node);
    way.push(node.to_owned());
    if let Some(start) = start {
        way.drain(..start);
        return true;
    }
    let nexts = graph.get(node).into_iter().flatten();
    for next in nexts {
        if walk(next, graph, way, finished) {
            return true;
        }
    }
    way.pop();
    finished.insert(node.to_owned());
    false
}

#[test]
fn a_cycle_is_found_and_named() {
    let graph = |edges: &[(&str, &str)]| {
        let mut graph = Graph::new();
        for (from, to) in edges {
            let next = graph.entry((*from).to_owned()).or_default();
            next.insert((*to).to_owned());
        }
        graph
    };
    let down = [("a", "b"), ("a", "c"), ("b", "c")];
    assert_eq!(cycle(&graph(&down)), Vec::<String>::new());
    let around = [("a", "b"), ("b", "c"), ("c", "b")];
    assert_eq!(cycle(&graph(&around)), ["b", "c", "b"]);
}
