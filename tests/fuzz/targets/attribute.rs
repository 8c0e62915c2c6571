//! The attribute and the derive are expanded or say why not, whatever is written.
//!
//! The options end at the first NUL; the item comes after it.

#![no_main]
#![allow(dead_code, reason = "files of another crate without its entry points")]

use libfuzzer_sys::fuzz_target;
use proc_macro2::TokenStream;
use syn::{File, ItemFn};

/// The modules of `idem-macros`, which as a crate of macros exports nothing else.
macro_rules! modules {
    ($($name:ident $path:literal)*) => { $(#[path = $path] mod $name;)* };
}

modules! {
    errors "../../../idem-macros/src/errors.rs"
    expand "../../../idem-macros/src/expand/mod.rs"
    handler "../../../idem-macros/src/handler/mod.rs"
    has_idempotency "../../../idem-macros/src/has_idempotency.rs"
    idempotent "../../../idem-macros/src/idempotent.rs"
    options "../../../idem-macros/src/options/mod.rs"
}

fuzz_target!(|text: &str| {
    let (options, item) = text.split_once('\0').unwrap_or((text, "async fn f() {}"));
    let (Ok(options), Ok(item)) = (options.parse::<TokenStream>(), item.parse::<TokenStream>())
    else {
        return;
    };
    let expansion = idempotent::idempotent(options, &item);
    let has_error = expansion.to_string().contains("compile_error");
    let is_function = syn::parse2::<ItemFn>(item.clone()).is_ok();
    assert!(has_error || (is_function && syn::parse2::<File>(expansion).is_ok()));
    let derived = has_idempotency::derive(item);
    let has_error = derived.to_string().contains("compile_error");
    assert!(has_error || syn::parse2::<File>(derived).is_ok());
});
