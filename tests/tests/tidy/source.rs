//! The workspace's source files, and the tests in them.

use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// A function with `#[test]`, `#[tokio::test]` or the like, including those in a macro's arguments.
pub struct Test {
    pub name: String,
    pub file: PathBuf,
    pub body: TokenStream,
}

pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// All tests of the workspace, ignoring comments and strings.
pub fn tests() -> Vec<Test> {
    let mut found = Vec::new();
    for file in files(root()) {
        let name = file.strip_prefix(root()).unwrap();
        find_tests(tokens_of(&file), name, &mut found);
    }
    found
}

pub fn tokens_of(file: &Path) -> TokenStream {
    let text = fs::read_to_string(file).unwrap();
    let tokens = text.parse();
    tokens.unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

pub fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap()
}

/// The Rust files of a folder and its subfolders.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                found.extend(files(&path));
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

pub fn find_tests(tokens: TokenStream, file: &Path, found: &mut Vec<Test>) {
    let mut is_test = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(hash) if hash.as_char() == '#' => {
                if let Some(TokenTree::Group(attribute)) = tokens.peek() {
                    is_test |= is_of_test(attribute);
                    tokens.next();
                }
            }
            TokenTree::Ident(word) if word == "fn" => {
                let name = tokens.next().map(|name| name.to_string());
                let body = tokens.find_map(|token| match token {
                    TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Some(group),
                    _ => None,
                });
                if let (true, Some(name), Some(body)) = (is_test, name, body) {
                    let (file, body) = (file.to_owned(), body.stream());
                    found.push(Test { name, file, body });
                }
                is_test = false;
            }
            TokenTree::Group(group) => find_tests(group.stream(), file, found),
            _ => {}
        }
    }
}

/// Whether an attribute's path ends in `test`.
fn is_of_test(attribute: &Group) -> bool {
    let path = attribute
        .stream()
        .into_iter()
        .take_while(|token| !matches!(token, TokenTree::Group(_)));
    path.last().is_some_and(|last| last.to_string() == "test")
}
