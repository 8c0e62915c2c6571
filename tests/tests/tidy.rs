//! No test is left out in silence, and each that a document names is there.

#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/named_tests.rs"]
mod named_tests;
#[path = "tidy/problems.rs"]
mod problems;
#[path = "tidy/readme.rs"]
mod readme;
/// The README's handler without Idem, which compiles.
#[cfg(feature = "sqlite")]
#[path = "tidy/readme_before.rs"]
#[expect(
    dead_code,
    clippy::disallowed_methods,
    reason = "a handler that does not use Idem"
)]
mod readme_before;
#[path = "tidy/source.rs"]
mod source;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use syn::visit::Visit;

/// A file that no `mod` names is not compiled, and its tests never run.
#[test]
fn each_file_beside_a_test_is_listed_in_it() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut listed = BTreeSet::new();
    for file in source::files(&folder) {
        strings_in(source::tokens_of(&file), &mut listed);
    }
    let unlisted: Vec<_> = source::files(&folder)
        .into_iter()
        .map(|file| file.strip_prefix(&folder).unwrap().to_owned())
        .filter(|file| !is_compiled(file, &listed))
        .collect();
    assert_eq!(unlisted, Vec::<PathBuf>::new());
}

/// Cargo finds what lies in `tests`, and the test of the messages all that is in `ui`.
fn is_compiled(file: &Path, listed: &BTreeSet<String>) -> bool {
    file.components().count() == 1
        || file.starts_with("ui")
        || listed.contains(file.to_str().unwrap())
}

/// Paths of modules are strings, those among a macro's arguments too.
fn strings_in(tokens: TokenStream, found: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => strings_in(group.stream(), found),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                found.insert(text.trim_matches('"').to_owned());
            }
            _ => {}
        }
    }
}

/// One that returns early counts as passed though it has tried nothing: list it where it can be
/// tried, or have it ignored with a reason.
#[test]
fn no_test_returns_before_its_end() {
    let tests = source::tests();
    assert!(tests.len() > 500, "{}", tests.len());
    let early: Vec<_> = tests
        .iter()
        .filter(|test| returns(&test.body))
        .map(|test| (&test.file, &test.name))
        .collect();
    assert_eq!(early, []);
}

fn returns(body: &TokenStream) -> bool {
    let block = Group::new(Delimiter::Brace, body.clone());
    let block: syn::Block = syn::parse2(TokenTree::Group(block).into()).unwrap();
    let mut found = Returns(false);
    found.visit_block(&block);
    found.0
}

/// Looks for a `return` that ends the function itself.
struct Returns(bool);

impl Visit<'_> for Returns {
    fn visit_expr_return(&mut self, _: &syn::ExprReturn) {
        self.0 = true;
    }

    fn visit_expr_async(&mut self, _: &syn::ExprAsync) {}

    fn visit_expr_closure(&mut self, _: &syn::ExprClosure) {}

    fn visit_item(&mut self, _: &syn::Item) {}
}

#[test]
fn a_return_is_told_from_one_of_a_block_inside() {
    for (body, expected) in [
        ("if ONE_WRITER { return; } pay().await;", true),
        ("let paid = async { return 1; };", false),
        ("let paid = async |tx| { return tx; };", false),
        ("fn helper() { return; }", false),
        ("match paid { None => return, Some(_) => {} }", true),
    ] {
        assert_eq!(returns(&source::tokens(body)), expected, "{body}");
    }
}
