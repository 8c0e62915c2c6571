//! The compiler's message for each mistake, and the code it must accept.

#![allow(missing_docs, clippy::all, reason = "cases are written as users write")]

// Valid handlers. trybuild would compile all dependencies to run them; here they are compiled with the test.
#[path = "ui/pass/attributes.rs"]
mod attributes;
#[path = "ui/pass/openapi.rs"]
mod openapi;
#[path = "ui/pass/options.rs"]
mod options;
#[path = "ui/pass/shapes.rs"]
mod shapes;
#[path = "ui/pass/states.rs"]
mod states;

#[test]
fn valid_handlers_compile_and_run() {
    attributes::main();
    openapi::main();
    options::main();
    shapes::main();
    states::main();
}

#[test]
fn mistakes_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/fail/*.rs");
}
