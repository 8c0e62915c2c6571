//! Questions about a type or a path as it is written.
//!
//! A macro sees names and no types: an alias hides what it stands for, and a type of the same name
//! is taken for the known one. What is decided by such an answer can be put right by the user:
//! `#[tx(DB)]` marks a `Tx`, `state = …` names the state, `#[idempotency]` marks the field of the
//! handle.

use syn::visit::{self, Visit};
use syn::{
    Block, GenericArgument, Item, Lifetime, ParenthesizedGenericArguments, Path, PathArguments,
    PathSegment, Signature, Type, TypeFnPtr, TypeImplTrait, TypeReference,
};

/// The last segment of a type that is a path.
pub(crate) fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match bare(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Whether the last segment of the type's path is `name`, whatever stands before it.
pub(crate) fn is_named(ty: &Type, name: &str) -> bool {
    last_segment(ty).is_some_and(|segment| segment.ident == name)
}

/// The first type argument: `T` of `State<T>`.
pub(crate) fn argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Without the parentheses and invisible groups around it.
///
/// A type that comes from a `macro_rules!` variable `$ty` stands in an invisible group.
fn bare(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => bare(&group.elem),
        Type::Paren(paren) => bare(&paren.elem),
        other => other,
    }
}

/// A segment called `name`, however deep inside the type: the first in the order written.
pub(crate) fn find_segment<'a>(ty: &'a Type, name: &'a str) -> Option<&'a PathSegment> {
    let mut find = FindSegment { name, found: None };
    find.visit_type(ty);
    find.found
}

struct FindSegment<'a> {
    name: &'a str,
    found: Option<&'a PathSegment>,
}

impl<'a> Visit<'a> for FindSegment<'a> {
    fn visit_path_segment(&mut self, segment: &'a PathSegment) {
        if segment.ident == self.name {
            self.found.get_or_insert(segment);
        }
        visit::visit_path_segment(self, segment);
    }
}

/// Whether the type has `impl Trait` in it, as a parameter's type or deeper.
pub(crate) fn mentions_impl(ty: &Type) -> bool {
    let mut find = FindImpl(false);
    find.visit_type(ty);
    find.0
}

struct FindImpl(bool);

impl<'a> Visit<'a> for FindImpl {
    fn visit_type_impl_trait(&mut self, _: &'a TypeImplTrait) {
        self.0 = true;
    }
}

/// Whether the type borrows something that is not `'static`.
///
/// A reference without a lifetime does, and so does each lifetime that is named or `'_`. A lifetime
/// that a path leaves out (`PgTx` for `PgTx<'_>`) cannot be seen; the compiler reports it (E0726).
pub(crate) fn borrows(ty: &Type) -> bool {
    let mut find = FindBorrow(false);
    find.visit_type(ty);
    find.0
}

struct FindBorrow(bool);

impl<'a> Visit<'a> for FindBorrow {
    fn visit_lifetime(&mut self, lifetime: &'a Lifetime) {
        self.0 |= lifetime.ident != "static";
    }

    fn visit_type_reference(&mut self, reference: &'a TypeReference) {
        self.0 |= reference.lifetime.is_none();
        visit::visit_type_reference(self, reference);
    }

    // The lifetimes of a function pointer and of `Fn(&str)` are their own.
    fn visit_type_fn_ptr(&mut self, _: &'a TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &'a ParenthesizedGenericArguments) {}
}

/// The first `Self` that means the `impl` block around the function.
///
/// The arguments of a macro call, such as `vec![Self::A]`, are tokens and not visited: there the
/// compiler reports it.
pub(crate) fn find_self<'a>(sig: &'a Signature, block: &'a Block) -> Option<&'a PathSegment> {
    let mut find = FindSelf(None);
    find.visit_signature(sig);
    find.visit_block(block);
    find.0
}

struct FindSelf<'a>(Option<&'a PathSegment>);

impl<'a> Visit<'a> for FindSelf<'a> {
    fn visit_path(&mut self, path: &'a Path) {
        if let Some(first) = path.segments.first().filter(|first| first.ident == "Self") {
            self.0.get_or_insert(first);
        }
        visit::visit_path(self, path);
    }

    // An item inside the body has a `Self` of its own.
    fn visit_item(&mut self, _: &'a Item) {}
}

/// The last segment of a path: `axum::debug_handler` and `debug_handler` are the same.
pub(crate) fn name(path: &Path) -> String {
    path.segments
        .last()
        .map(|segment| segment.ident.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn type_arguments_and_path_segments_are_found() {
        let ty: Type = syn::parse_quote!((axum::extract::State<Arc<App>>));
        assert!(is_named(&ty, "State"));
        let argument = argument(last_segment(&ty).unwrap()).unwrap();
        assert!(is_named(argument, "Arc"));
        assert!(find_segment(&ty, "App").is_some());
        assert!(find_segment(&ty, "Tx").is_none());
    }

    #[test]
    fn borrowing_types_are_recognised() {
        for ty in [
            "&str",
            "&'a str",
            "Cow<'a, str>",
            "Tx<'_, Db>",
            "(u8, &u8)",
            "dyn T + 'a",
        ] {
            assert!(borrows(&syn::parse_str(ty).unwrap()), "{ty}");
        }
        for ty in [
            "String",
            "&'static str",
            "State<fn(&str) -> u8>",
            "Box<dyn Fn(&str)>",
            "dyn T + 'static",
        ] {
            assert!(!borrows(&syn::parse_str(ty).unwrap()), "{ty}");
        }
    }

    #[test]
    fn only_the_outer_self_is_found() {
        let found = |text: &str| {
            let item: syn::ItemFn = syn::parse_str(text).unwrap();
            find_self(&item.sig, &item.block).is_some()
        };
        assert!(found("fn f() { Self::g() }"));
        assert!(found("fn f(x: Vec<Self>) {}"));
        assert!(!found(
            "fn f() { struct A; impl A { fn new() -> Self { A } } }"
        ));
    }
}
