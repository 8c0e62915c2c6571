//! The difference that `docs/ADOPTING.md` leads to is the one between the two services, which are both built and tested.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use diffy::{Patch, apply, create_patch};

const DIFF: &str = "adopting.diff";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/adopting")
}

/// The text of each file of a service. Both are one package under two names.
fn service(name: &str) -> BTreeMap<String, String> {
    let root = folder().join(name);
    let mut folders = vec![root.clone()];
    let mut files = BTreeMap::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text = text.replace(&format!("adopting-{name}"), "shop");
            let file = path.strip_prefix(&root).unwrap().display().to_string();
            files.insert(file, text);
        }
    }
    files
}

fn patch_of(file: &str, before: &str, after: &str) -> String {
    let patch = create_patch(before, after).to_string();
    let named = format!("--- before/{file}\n+++ after/{file}\n");
    patch.replacen("--- original\n+++ modified\n", &named, 1)
}

#[test]
fn the_diff_of_the_adopting_service_makes_the_second_one_of_the_first() {
    let (before, after) = (service("before"), service("after"));
    let mut diff = String::new();
    for (file, text) in &after {
        let old = before.get(file).map_or("", String::as_str);
        if old != text {
            diff.push_str(&patch_of(file, old, text));
        }
    }
    let gone: Vec<_> = before
        .keys()
        .filter(|file| !after.contains_key(*file))
        .collect();
    assert_eq!(gone, Vec::<&String>::new());

    let path = folder().join(DIFF);
    if std::env::var_os("IDEM_WRITE_DIFF").is_some() {
        fs::write(&path, &diff).unwrap();
    }
    let stored = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == diff,
        "IDEM_WRITE_DIFF=1 cargo test -p idem-tests --test docs writes {DIFF} anew"
    );

    let mut applied = before;
    for patch in stored.split("--- before/").skip(1) {
        let file = patch.lines().next().unwrap().to_owned();
        let patch = format!("--- before/{patch}");
        let patch = Patch::from_str(&patch).unwrap();
        let old = applied.remove(&file).unwrap_or_default();
        applied.insert(file, apply(&old, &patch).unwrap());
    }
    assert!(applied == after);
}
