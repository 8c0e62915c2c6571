//! The party inside which a key is unique.
//!
//! A scope is stored in the clear if it fits, so that operators can search for it. The length of a
//! long one is cut by a digest, never by truncation: two tenants with a common beginning must not
//! share keys.

use sha2::{Digest, Sha256};

/// The tenant, user or other party that a key belongs to.
///
/// Make it from the authenticated tenant or user, never from what the client says about itself: a
/// caller who can choose a scope can get another tenant's responses.
///
/// Which one to use:
///
/// * [`new`](Self::new) for one id, such as the tenant's;
/// * [`joined`](Self::joined) for several, such as tenant and user;
/// * [`global`](Self::global) where every caller may see every response.
///
/// A scope is 1 to 255 bytes without NUL, as the databases store it. A longer text is replaced by
/// `sha256:` and its digest in hex. So is a text that begins with `sha256:`, so that no text can
/// pass for the digest of another.
///
/// # Examples
///
/// ```
/// # use idem_core::Scope;
/// assert_eq!(Scope::new("acme")?.as_str(), "acme");
/// assert_ne!(Scope::joined(["ab", "c"])?, Scope::joined(["a", "bc"])?);
/// assert!(Scope::new("").is_err());
/// # Ok::<(), idem_core::InvalidScope>(())
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Scope(Box<str>);

impl Scope {
    /// The longest scope that is stored unchanged, in bytes.
    pub const MAX_BYTES: usize = 255;

    /// Validates a scope of one part.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] if the text is empty or contains a NUL.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::Scope;
    /// let tenant = Scope::new("tenant-17")?;
    /// assert_eq!(tenant.as_str(), "tenant-17");
    /// let long = Scope::new(&"x".repeat(256))?;
    /// assert!(long.as_str().starts_with("sha256:"));
    /// # Ok::<(), idem_core::InvalidScope>(())
    /// ```
    pub fn new(text: &str) -> Result<Self, InvalidScope> {
        if text.is_empty() || text.contains('\0') {
            return Err(InvalidScope);
        }
        if text.len() <= Self::MAX_BYTES && !text.starts_with("sha256:") {
            return Ok(Self(text.into()));
        }
        let digest = Sha256::digest(text.as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(Self(format!("sha256:{hex}").into()))
    }

    /// Makes one scope of several parts.
    ///
    /// Each part is preceded by its length, so that no two lists of parts give the same scope.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new); an empty part is refused too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::Scope;
    /// let (tenant, user) = ("acme", "17");
    /// assert_eq!(Scope::joined([tenant, user])?.as_str(), "4:acme2:17");
    /// # Ok::<(), idem_core::InvalidScope>(())
    /// ```
    pub fn joined<'a>(parts: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScope> {
        let mut joined = String::new();
        for part in parts {
            if part.is_empty() {
                return Err(InvalidScope);
            }
            joined.push_str(&format!("{}:{part}", part.len()));
        }
        Self::new(&joined)
    }

    /// The one scope that all callers share.
    ///
    /// Use it for operations without authentication, and for messages. Whoever sends the key and
    /// the body of another caller's request gets that caller's response.
    pub fn global() -> Self {
        Self("global".into())
    }

    /// The scope of a record, from the text that a list of records shows for it.
    ///
    /// For operators who copy that text. It differs from [`new`](Self::new) for a scope that is stored
    /// as its digest: `new` makes the digest of the digest. Never call it with what a caller of your
    /// service has sent, who could then name another party's scope.
    ///
    /// # Errors
    ///
    /// [`InvalidScope`] if no record can have this scope: the text is empty, contains a NUL, or is
    /// longer than [`MAX_BYTES`](Self::MAX_BYTES).
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::Scope;
    /// let long = Scope::new(&"x".repeat(256))?;
    /// assert_eq!(Scope::of_record(long.as_str())?, long);
    /// assert_ne!(Scope::new(long.as_str())?, long);
    /// # Ok::<(), idem_core::InvalidScope>(())
    /// ```
    pub fn of_record(text: &str) -> Result<Self, InvalidScope> {
        match text.len() {
            1..=Self::MAX_BYTES if !text.contains('\0') => Ok(Self(text.into())),
            _ => Err(InvalidScope),
        }
    }

    /// A scope read from a record.
    pub(crate) fn stored(text: String) -> Self {
        Self(text.into())
    }

    /// The scope as it is stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text of a scope is empty or contains a NUL.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("a scope has at least one byte and no NUL")]
pub struct InvalidScope;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_255_characters_fit_unchanged() {
        let longest = "s".repeat(255);
        assert_eq!(Scope::new(&longest).unwrap().as_str(), longest);
        let hashed = Scope::new(&format!("{longest}s")).unwrap();
        assert!(hashed.as_str().starts_with("sha256:"));
        assert_eq!(hashed.as_str().len(), 7 + 64);
    }

    #[test]
    fn no_scope_equals_the_digest_of_another() {
        let long = Scope::new(&"s".repeat(256)).unwrap();
        assert_ne!(Scope::new(long.as_str()).unwrap(), long);
    }

    #[test]
    fn a_scope_that_is_empty_or_has_a_nul_is_refused() {
        assert_eq!(Scope::new(""), Err(InvalidScope));
        assert_eq!(Scope::new("a\0b"), Err(InvalidScope));
        assert_eq!(Scope::joined(["a", ""]), Err(InvalidScope));
    }

    #[test]
    fn different_parts_never_join_to_the_same_scope() {
        assert_ne!(Scope::joined(["ab", "c"]), Scope::joined(["a", "bc"]));
        assert_ne!(Scope::joined(["1:a", "b"]), Scope::joined(["1", "a1:b"]));
    }
}
