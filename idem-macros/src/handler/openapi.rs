//! `#[utoipa::path]` below the attribute, before it expands.
//!
//! Above, it has expanded already and nothing of it is left on the function. So what is checked
//! here is also checked by `Policies::check` when the program starts.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Attribute, Error, Ident};

use crate::handler::inspect::name;

/// What is known of the handler's OpenAPI operation.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Documentation {
    /// It may have one.
    #[default]
    Unknown,
    /// It has one, under the name that `#[utoipa::path]` makes of the function's.
    Below,
}

impl Documentation {
    /// Looks for `#[utoipa::path]`, and refuses the methods that only read.
    ///
    /// `impl_for = Type` puts the operation on another type, which is not looked for.
    pub(crate) fn read(attrs: &[Attribute]) -> (Self, Option<Error>) {
        let Some(options) = attrs.iter().find_map(options) else {
            return (Self::Unknown, None);
        };
        let (methods, rest) = methods(options);
        let safe = methods.into_iter().find(is_safe);
        let error = safe.map(|method| Error::new(method.span(), READS_ONLY));
        let is_elsewhere = rest.iter().any(|option| option == "impl_for");
        let seen = match is_elsewhere {
            true => Self::Unknown,
            false => Self::Below,
        };
        (seen, error)
    }
}

/// The options of `#[utoipa::path(…)]`, or of `#[path(…)]` if that is imported.
///
/// The compiler's own `#[path = "…"]` has no list, and is on modules.
fn options(attr: &Attribute) -> Option<TokenStream> {
    let list = attr.meta.require_list().ok()?;
    (name(attr.path()) == "path").then(|| list.tokens.clone())
}

/// The methods, as in `post, …` or `method(post, put), …`, and the names of the other options.
fn methods(options: TokenStream) -> (Vec<Ident>, Vec<Ident>) {
    let (mut methods, mut rest) = (Vec::new(), Vec::new());
    let mut tokens = options.into_iter().peekable();
    let mut is_start = true;
    while let Some(token) = tokens.next() {
        let TokenTree::Ident(option) = &token else {
            is_start = matches!(&token, TokenTree::Punct(comma) if comma.as_char() == ',');
            continue;
        };
        if !is_start {
            continue;
        }
        is_start = false;
        match tokens.peek() {
            None => methods.push(option.clone()),
            Some(TokenTree::Punct(next)) if next.as_char() == ',' => methods.push(option.clone()),
            Some(TokenTree::Group(list)) if option == "method" => {
                let is_list = list.delimiter() == Delimiter::Parenthesis;
                let names = list.stream().into_iter().filter(|_| is_list);
                methods.extend(names.filter_map(|token| match token {
                    TokenTree::Ident(name) => Some(name),
                    _ => None,
                }));
            }
            Some(_) => rest.push(option.clone()),
        }
    }
    (methods, rest)
}

/// RFC 9110, section 9.2.1.
fn is_safe(method: &Ident) -> bool {
    ["get", "head", "options"].iter().any(|safe| method == safe)
}

const READS_ONLY: &str = "`#[idempotent]` is for writes, and this method only reads: remove the attribute, or document the method that the route has, such as `post`";

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attr: Attribute) -> (Documentation, bool) {
        let (documentation, error) = Documentation::read(&[attr]);
        (documentation, error.is_some())
    }

    #[test]
    fn an_operation_below_is_seen_unless_it_is_on_another_type() {
        use Documentation::{Below, Unknown};
        let cases: [(Attribute, Documentation); 5] = [
            (syn::parse_quote!(#[utoipa::path(post, path = "/a")]), Below),
            (syn::parse_quote!(#[path(put)]), Below),
            (
                syn::parse_quote!(#[utoipa::path(post, impl_for = Pay)]),
                Unknown,
            ),
            (
                syn::parse_quote!(#[tracing::instrument(skip(get))]),
                Unknown,
            ),
            (syn::parse_quote!(#[path = "pay.rs"]), Unknown),
        ];
        for (attr, expected) in cases {
            assert_eq!(read(attr), (expected, false));
        }
    }

    #[test]
    fn methods_that_only_read_are_refused() {
        let refused: [Attribute; 4] = [
            syn::parse_quote!(#[utoipa::path(get, path = "/a")]),
            syn::parse_quote!(#[utoipa::path(path = "/a", tag = post, head)]),
            syn::parse_quote!(#[utoipa::path(method(post, get), path = "/a")]),
            syn::parse_quote!(#[utoipa::path(options)]),
        ];
        for attr in refused {
            assert!(read(attr).1);
        }
        let accepted: [Attribute; 2] = [
            syn::parse_quote!(#[utoipa::path(post, tag = get, params(get))]),
            syn::parse_quote!(#[utoipa::path(method(post, put), operation_id = options)]),
        ];
        for attr in accepted {
            assert!(!read(attr).1);
        }
    }
}
