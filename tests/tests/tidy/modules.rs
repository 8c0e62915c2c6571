//! Finds the files of a file's modules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};

use super::source;

/// Adds this file and, recursively, the files of its modules.
pub fn list(file: &Path, listed: &mut BTreeSet<PathBuf>) {
    let file = file.canonicalize().unwrap();
    if listed.insert(file.clone()) {
        for name in named_in(source::tokens_of(&file)) {
            let module = file.parent().unwrap().join(name);
            if module.is_file() {
                list(&module, listed);
            }
        }
    }
}

/// Possible files of modules: `mod name;` names one beside this file, or in a folder of that name; a string may be a
/// path, also among a macro's arguments.
fn named_in(tokens: TokenStream) -> Vec<String> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut found = Vec::new();
    for (n, token) in tokens.iter().enumerate() {
        match (token, &tokens[n + 1..]) {
            (TokenTree::Group(group), _) => found.extend(named_in(group.stream())),
            (TokenTree::Literal(literal), _) => {
                let text = literal.to_string();
                found.extend(text.ends_with(".rs\"").then(|| text.replace('"', "")));
            }
            (TokenTree::Ident(word), [TokenTree::Ident(name), TokenTree::Punct(end), ..])
                if word == "mod" && end.as_char() == ';' =>
            {
                found.extend([format!("{name}.rs"), format!("{name}/mod.rs")]);
            }
            _ => {}
        }
    }
    found
}

#[test]
fn modules_are_found_wherever_they_are_declared() {
    let source = r#"
        mod plain;
        #[path = "api/app.rs"]
        pub mod app;
        mod inline { pub mod beside; fn item() {} }
        macro_rules! more { ($path:literal) => { #[path = $path] mod named; } }
        more!("queues/table.rs");
        // mod commented;
    "#;
    let mut found = named_in(source::tokens(source));
    found.sort();
    let of_names = ["app", "beside", "named", "plain"];
    let files = of_names.map(|name| format!("{name}.rs {name}/mod.rs"));
    let expected = format!("api/app.rs {} queues/table.rs", files.join(" "));
    assert_eq!(found.join(" "), expected);
}
