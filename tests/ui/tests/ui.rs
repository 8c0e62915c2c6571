//! What the compiler says about each mistake, and what it must accept.

#[test]
fn mistakes_are_explained_and_valid_handlers_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("tests/ui/pass/*.rs");
    cases.compile_fail("tests/ui/fail/*.rs");
}
