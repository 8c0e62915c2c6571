//! No test is left out silently, and each test that a document names exists.

#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[path = "tidy/crates.rs"]
mod crates;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/links.rs"]
mod links;
#[path = "tidy/modules.rs"]
mod modules;
#[path = "tidy/named_tests.rs"]
mod named_tests;
#[path = "tidy/problems.rs"]
mod problems;
#[path = "tidy/readme.rs"]
mod readme;
/// The README's handler without Idem compiles.
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

/// A file that no `mod` names is not compiled, so its tests never run.
#[test]
fn each_file_in_the_tests_folder_is_a_module_of_a_test() {
    for folder in ["tests", "ui/tests"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let folder = folder.canonicalize().unwrap();
        let all: BTreeSet<_> = source::files(&folder).into_iter().collect();
        let is_root = |file: &&PathBuf| file.parent() == Some(&folder);
        let mut listed = BTreeSet::new();
        for root in all.iter().filter(is_root) {
            modules::list(root, &mut listed);
        }
        // The test of the compiler's messages takes all that is in this folder.
        let is_unlisted = |file: &&PathBuf| !file.starts_with(folder.join("ui/fail"));
        let unlisted: Vec<_> = all.difference(&listed).filter(is_unlisted).collect();
        assert_eq!(unlisted, Vec::<&PathBuf>::new());
    }
}

/// A test that returns early passes without testing anything: list it only where it can run, or
/// ignore it with a reason.
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
fn a_return_is_distinguished_from_one_in_an_inner_block() {
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
