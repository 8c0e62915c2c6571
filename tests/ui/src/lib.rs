//! What the compiler says about the attribute: see `tests/ui.rs`.
