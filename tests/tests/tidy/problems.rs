//! The table of problems lists each problem, with the status and retry advice of the code.

use std::collections::BTreeMap;
use std::fs;

use idem_axum::Rejection;
use syn::visit::Visit;

use super::source;

#[test]
fn each_problem_has_a_row_with_its_status_and_whether_to_retry() {
    let text = fs::read_to_string(source::root().join("docs/PROBLEMS.md")).unwrap();
    let mut documented = BTreeMap::new();
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, status, meaning, action, retry] = cells[..] else {
            panic!("{row}")
        };
        assert!(!meaning.is_empty() && !action.is_empty(), "{row}");
        let retry = match retry {
            "yes" => true,
            "no" => false,
            _ => panic!("{row}"),
        };
        let status: u16 = status.parse().unwrap();
        let before = documented.insert(name.trim_matches('`').to_owned(), (status, retry));
        assert_eq!(before, None, "{name} has two rows");
    }
    let mut expected = BTreeMap::new();
    for rejection in Rejection::ALL {
        let said = (rejection.status().as_u16(), rejection.is_retryable());
        let before = expected.insert(rejection.name().to_owned(), said);
        // Of one name there may be two texts, but a client is told the same to do.
        assert!(before.is_none_or(|before| before == said), "{rejection:?}");
    }
    assert_eq!(documented, expected);
}

/// A problem missing from the list would have no row, and no test would notice.
#[test]
fn the_list_of_rejections_has_each_variant() {
    let text = fs::read_to_string(source::root().join("idem-axum/src/rejection/kind.rs")).unwrap();
    let mut variants = Variants(Vec::new());
    variants.visit_file(&syn::parse_file(&text).unwrap());
    assert_eq!(variants.0.len(), Rejection::ALL.len(), "{:?}", variants.0);
    for variant in variants.0 {
        let is_listed = |rejection: &&Rejection| format!("{rejection:?}").starts_with(&variant);
        assert!(
            Rejection::ALL.iter().any(|listed| is_listed(&listed)),
            "{variant}"
        );
    }
}

struct Variants(Vec<String>);

impl Visit<'_> for Variants {
    fn visit_item_enum(&mut self, item: &syn::ItemEnum) {
        let variants = item
            .variants
            .iter()
            .map(|variant| variant.ident.to_string());
        self.0.extend(variants);
    }
}
