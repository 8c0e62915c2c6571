//! Which records the options of a command mean.

use idem_core::{
    Backend, Idempotency, IdempotencyKey, InvalidKey, Operation, RecordFilter, RecordName,
    RecordView, Scope,
};

use crate::arguments::Selection;
use crate::failure::Failure;

/// The records that are meant: a filter of the database, and what it cannot compare.
pub(super) struct Selected {
    filter: RecordFilter,
    digest: Option<String>,
    /// The id of a message, which may contain what no key of a request does.
    id: Option<String>,
    /// The whole name of a request's record, if it is given: it means something without a record, too.
    name: Option<RecordName>,
}

impl TryFrom<&Selection> for Selected {
    type Error = Failure;

    fn try_from(selection: &Selection) -> Result<Self, Failure> {
        let (key, digest) = (&selection.key.key, &selection.key.digest);
        Self::new(
            selection.scope.as_deref(),
            selection.operation.as_deref(),
            (key.as_deref(), digest.as_deref()),
        )
    }
}

impl Selected {
    pub(super) fn new(
        in_scope: Option<&str>,
        operation: Option<&str>,
        (key, digest): (Option<&str>, Option<&str>),
    ) -> Result<Self, Failure> {
        let scope = in_scope.map(scope).transpose()?;
        let (key, id) = match key {
            // The id of a message is in no header: quotes in it are its own.
            Some(id) if is_of_consumer(operation) => match id.parse() {
                Ok(key) => (Some(key), None),
                Err(_) => (None, Some(id.to_owned())),
            },
            Some(key) => (
                Some(parse(key).map_err(|error| Failure::usage(&error))?),
                None,
            ),
            None => (None, None),
        };
        let digest = digest.map(digest_of).transpose()?;
        let mut filter = RecordFilter::default();
        if let Some(scope) = scope.clone() {
            filter = filter.scope(scope);
        }
        if let Some(operation) = operation {
            filter = filter.operation(operation);
        }
        if let Some(key) = key.clone() {
            filter = filter.key(key);
        }
        Ok(Self {
            filter,
            digest,
            id,
            name: name(scope, operation, key),
        })
    }

    fn has(&self, view: &RecordView) -> bool {
        let key = &view.name.key;
        let has_digest = |digest: &String| key.digest() == *digest;
        let has_id = |id: &String| key.as_str() == id;
        self.digest.as_ref().is_none_or(has_digest) && self.id.as_ref().is_none_or(has_id)
    }

    /// Calls a function with each record that is meant, until it returns `false`.
    pub(super) async fn each<DB: Backend>(
        &self,
        idem: &Idempotency<DB>,
        mut found: impl FnMut(&RecordView) -> Result<bool, Failure>,
    ) -> Result<(), Failure> {
        let mut last: Option<RecordView> = None;
        loop {
            let page = idem.records(&self.filter, last.as_ref(), PAGE).await?;
            for view in page.iter().filter(|view| self.has(view)) {
                if !found(view)? {
                    return Ok(());
                }
            }
            match page.into_iter().next_back() {
                Some(view) => last = Some(view),
                None => return Ok(()),
            }
        }
    }

    /// The one record that is meant.
    pub(super) async fn one<DB: Backend>(
        &self,
        idem: &Idempotency<DB>,
    ) -> Result<RecordView, Failure> {
        let found = self.at_most_one(idem).await?;
        found.ok_or_else(no_record)
    }

    /// The one record that is meant, if it is there.
    pub(super) async fn at_most_one<DB: Backend>(
        &self,
        idem: &Idempotency<DB>,
    ) -> Result<Option<RecordView>, Failure> {
        let mut views = Vec::new();
        self.each(idem, |view| {
            views.push(view.clone());
            Ok(views.len() < 2)
        })
        .await?;
        match (views.pop(), views.is_empty()) {
            (Some(_), false) => Err(Failure::No(
                "several records match: name one by --scope, --operation, and --key or --digest"
                    .to_owned(),
            )),
            (found, _) => Ok(found),
        }
    }

    /// The name of the record of a request, if all of it is given.
    pub(super) fn name(&self) -> Option<&RecordName> {
        self.name.as_ref()
    }
}

fn name(
    scope: Option<Scope>,
    operation: Option<&str>,
    key: Option<IdempotencyKey>,
) -> Option<RecordName> {
    Some(RecordName {
        scope: scope?,
        operation: Operation::new(operation?).ok()?,
        key: key?,
    })
}

pub(super) fn no_record() -> Failure {
    Failure::No("there is no such record".to_owned())
}

/// How many records are read at a time.
const PAGE: u32 = 500;

/// A scope, as an application makes it or as the list shows it.
///
/// The list shows a long scope as its digest. An application that makes a scope of such a text stores
/// another digest, so it is the stored scope that is meant.
pub(super) fn scope(text: &str) -> Result<Scope, Failure> {
    let digest = text.strip_prefix("sha256:");
    let is_stored = digest.is_some_and(|hex| hex.len() == 64 && is_hex(hex));
    let scope = match is_stored {
        true => Scope::of_record(text),
        false => Scope::new(text),
    };
    scope.map_err(|error| Failure::usage(&error))
}

/// A key as in the header, or without its quotes.
fn parse(key: &str) -> Result<IdempotencyKey, InvalidKey> {
    match key.starts_with('"') {
        true => IdempotencyKey::from_field(key.as_bytes()),
        false => key.parse(),
    }
}

fn is_of_consumer(operation: Option<&str>) -> bool {
    operation.is_some_and(|operation| operation.starts_with("inbox:"))
}

/// A digest as logs have it, with or without the `#` before it.
fn digest_of(text: &str) -> Result<String, Failure> {
    let digest = text.trim_start_matches('#').to_ascii_lowercase();
    match digest.len() == 8 && is_hex(&digest) {
        true => Ok(digest),
        false => Err(Failure::Usage(
            "a digest has 8 hexadecimal digits".to_owned(),
        )),
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_taken_as_the_list_shows_it() {
        let long = "x".repeat(256);
        let stored = Scope::new(&long).unwrap();
        assert_eq!(scope(&long).unwrap(), stored);
        assert_eq!(scope(stored.as_str()).unwrap(), stored);
        assert_eq!(scope("acme").unwrap(), Scope::new("acme").unwrap());
        let like = "sha256:short";
        assert_eq!(scope(like).unwrap(), Scope::new(like).unwrap());
        assert!(matches!(scope(""), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_key_is_taken_with_and_without_the_quotes_of_the_header() {
        for (text, expected) in [
            ("k 1", "k 1"),
            ("\"k 1\"", "k 1"),
            ("\"a\\\"b\"", "a\"b"),
            ("it's", "it's"),
        ] {
            assert_eq!(parse(text).unwrap().as_str(), expected);
        }
        assert!(parse("\"open").is_err());
    }

    #[test]
    fn the_id_of_a_message_keeps_its_quotes() {
        for (operation, expected) in [("inbox:ledger", "\"m1\""), ("POST /payments", "m1")] {
            let selected = Selected::new(None, Some(operation), (Some("\"m1\""), None)).unwrap();
            let expected = RecordFilter::default()
                .operation(operation)
                .key(expected.parse().unwrap());
            assert_eq!(format!("{:?}", selected.filter), format!("{expected:?}"));
        }
    }

    #[test]
    fn a_digest_is_taken_from_a_list_or_from_a_debug_line() {
        for text in ["238c5b6d", "#238c5b6d", "238C5B6D"] {
            assert_eq!(digest_of(text).unwrap(), "238c5b6d");
        }
        for text in ["", "238c5b6", "238c5b6d0", "238c5b6g"] {
            assert!(matches!(digest_of(text), Err(Failure::Usage(_))), "{text}");
        }
    }
}
