//! The parameter that gets the transaction: `mut tx: Tx<DB>`, or any other marked `#[tx]`.
//!
//! | written | database | becomes |
//! | --- | --- | --- |
//! | `mut tx: Tx<Pg>` | `Pg` | `mut tx: Tx<'_, Pg>` |
//! | `tx: Tx<'_, Pg>` | `Pg` | the same |
//! | `#[tx] tx: Transaction<Pg>`, after `use Tx as Transaction` | `Pg` | `tx: Transaction<'_, Pg>` |
//! | `#[tx(Pg)] tx: PgTx`, of `type PgTx<'t> = Tx<'t, Pg>` | `Pg` | `tx: PgTx<'_>` |
//!
//! `Tx<'t, DB>` borrows the connection from the attempt, which alone can commit it. The lifetime is
//! anonymous on purpose. The handler is then written for any lifetime, so the compiler refuses to
//! let the `Tx` out of it: moved into `tokio::spawn` or put into a `static` it "escapes" (E0521).
//! With `'static` it could stay behind after the COMMIT.
//!
//! `Tx` implements no extractor trait. A handler that has lost its attribute does therefore not
//! compile, instead of running unprotected.

use syn::spanned::Spanned as _;
use syn::{
    AngleBracketedGenericArguments, Attribute, Error, GenericArgument, Meta, PatType,
    PathArguments, PathSegment, Result, Type,
};

use crate::handler::inspect::{argument, is_named};

/// The transaction that a handler asks for.
pub(crate) struct Transaction {
    pub(crate) database: Type,
}

/// Recognises a `Tx` and writes the `'_` into its type; `None` for every other parameter.
///
/// The `#[tx]` is taken off, since the compiler would look for an attribute of this name. The
/// database is the mark's argument, or else the first type argument; an alias has none.
///
/// # Errors
///
/// A type that is no path, no database, a named lifetime, and two marks.
pub(crate) fn take(parameter: &mut PatType) -> Result<Option<Transaction>> {
    let mark = take_mark(&mut parameter.attrs)?;
    if mark.is_none() && !is_named(&parameter.ty, "Tx") {
        return Ok(None);
    }
    let named = match &mark {
        Some(mark) if !matches!(mark.meta, Meta::Path(_)) => Some(mark.parse_args::<Type>()?),
        _ => None,
    };
    let span = parameter.ty.span();
    let Some(segment) = last_segment_mut(&mut parameter.ty) else {
        return Err(Error::new(span, NOT_A_NAME));
    };
    let Some(database) = named.or_else(|| argument(segment).cloned()) else {
        let text = if mark.is_some() {
            WHICH_DATABASE_MARKED
        } else {
            WHICH_DATABASE
        };
        return Err(Error::new(span, text));
    };
    elide_lifetime(segment)?;
    Ok(Some(Transaction { database }))
}

fn take_mark(attrs: &mut Vec<Attribute>) -> Result<Option<Attribute>> {
    let mut marks = attrs.extract_if(.., |attr| attr.path().is_ident("tx"));
    let first = marks.next();
    match marks.next() {
        Some(second) => Err(Error::new(second.span(), "`#[tx]` is given twice")),
        None => Ok(first),
    }
}

fn last_segment_mut(ty: &mut Type) -> Option<&mut PathSegment> {
    match ty {
        Type::Group(group) => last_segment_mut(&mut group.elem),
        Type::Paren(paren) => last_segment_mut(&mut paren.elem),
        Type::Path(path) => path.path.segments.last_mut(),
        _ => None,
    }
}

/// `Tx<DB>` → `Tx<'_, DB>`: an `async fn` does not let the lifetime be left out.
///
/// A plain `fn` does, with a lint; an `async fn` gets E0726, since its future holds the lifetime.
/// `'_` has the span of the name before it, so that an error about it stands on the `Tx`.
pub(crate) fn elide_lifetime(segment: &mut PathSegment) -> Result<()> {
    let span = segment.ident.span();
    if segment.arguments.is_empty() {
        let arguments: AngleBracketedGenericArguments = syn::parse_quote_spanned!(span=> <'_>);
        segment.arguments = PathArguments::AngleBracketed(arguments);
        return Ok(());
    }
    let PathArguments::AngleBracketed(arguments) = &mut segment.arguments else {
        return Err(Error::new(segment.arguments.span(), NOT_A_NAME));
    };
    match arguments.args.first() {
        Some(GenericArgument::Lifetime(lifetime)) if lifetime.ident == "_" => Ok(()),
        Some(GenericArgument::Lifetime(lifetime)) => {
            Err(Error::new(lifetime.span(), NAMED_LIFETIME))
        }
        _ => {
            arguments
                .args
                .insert(0, syn::parse_quote_spanned!(span=> '_));
            Ok(())
        }
    }
}

const NOT_A_NAME: &str = "expected `Tx<DB>` or another name for it";
const WHICH_DATABASE: &str =
    "which database? write `Tx<Postgres>` or `Tx<Sqlite>`, like the `Idempotency<…>` in the state";
const WHICH_DATABASE_MARKED: &str =
    "which database? write `#[tx(Postgres)]` or `#[tx(Sqlite)]` before this parameter";
const NAMED_LIFETIME: &str =
    "a `Tx` is lent for one attempt and cannot outlive it: leave the lifetime out";

#[cfg(test)]
mod tests {
    use syn::FnArg;

    use super::*;

    fn taken(text: &str) -> Result<Option<(String, String)>> {
        let Ok(FnArg::Typed(mut parameter)) = syn::parse_str(text) else {
            panic!("{text}")
        };
        let found = take(&mut parameter)?;
        let text =
            |tokens: &dyn quote::ToTokens| tokens.to_token_stream().to_string().replace(' ', "");
        Ok(found.map(|found| (text(&parameter), text(&found.database))))
    }

    #[test]
    fn a_missing_transaction_lifetime_is_added() {
        for (written, completed) in [
            ("mut tx: Tx<Pg>", "muttx:Tx<'_,Pg>"),
            ("tx: idem_axum::Tx<'_, Pg>", "tx:idem_axum::Tx<'_,Pg>"),
            ("#[tx] tx: Transaction<Pg>", "tx:Transaction<'_,Pg>"),
            ("#[tx(Pg)] tx: PgTx", "tx:PgTx<'_>"),
            ("#[tx(Pg)] tx: PgTx<'_>", "tx:PgTx<'_>"),
        ] {
            let expected = (completed.to_owned(), "Pg".to_owned());
            assert_eq!(taken(written).unwrap(), Some(expected), "{written}");
        }
    }

    #[test]
    fn other_parameters_are_left_alone() {
        assert_eq!(taken("body: Json<Tx>").unwrap(), None);
    }

    #[test]
    fn each_mistake_in_a_tx_parameter_has_its_error_message() {
        for (written, text) in [
            ("tx: Tx", WHICH_DATABASE),
            ("#[tx] tx: PgTx<'_>", WHICH_DATABASE_MARKED),
            ("tx: Tx<'a, Pg>", NAMED_LIFETIME),
            ("#[tx(Pg)] tx: &PgTx", NOT_A_NAME),
            ("#[tx] #[tx] tx: PgTx<Pg>", "`#[tx]` is given twice"),
        ] {
            assert_eq!(taken(written).unwrap_err().to_string(), text, "{written}");
        }
    }
}
