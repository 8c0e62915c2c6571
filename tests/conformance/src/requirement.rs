//! What is required of a server, by whom, and how strictly.

use std::fmt;

use serde::Serialize;

/// One statement about a server that can be seen to be true or false from outside.
#[derive(Debug, Serialize)]
pub struct Requirement {
    /// Its stable name.
    pub id: &'static str,
    /// Where it is required.
    pub source: Source,
    /// How strictly.
    pub level: Level,
    /// The statement.
    pub says: &'static str,
}

/// The document that requires it, with the section.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Source {
    /// draft-ietf-httpapi-idempotency-key-header-07.
    Draft(&'static str),
    /// RFC 9110, HTTP Semantics.
    Rfc9110(&'static str),
    /// RFC 9457, Problem Details for HTTP APIs.
    Rfc9457(&'static str),
    /// A document of Idem.
    Contract(&'static str),
}

/// The key words of RFC 2119, and Idem's own.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
pub enum Level {
    /// Absolute.
    #[serde(rename = "MUST")]
    Must,
    /// There may be reasons not to do so.
    #[serde(rename = "SHOULD")]
    Should,
    /// Truly optional.
    #[serde(rename = "MAY")]
    May,
    /// Promised by Idem, and by nobody else.
    #[serde(rename = "Idem")]
    Idem,
}

impl Requirement {
    pub(crate) const fn draft(
        section: &'static str,
        level: Level,
        id: &'static str,
        says: &'static str,
    ) -> Self {
        let source = Source::Draft(section);
        Self {
            id,
            source,
            level,
            says,
        }
    }

    pub(crate) const fn idem(page: &'static str, id: &'static str, says: &'static str) -> Self {
        let source = Source::Contract(page);
        Self {
            id,
            source,
            level: Level::Idem,
            says,
        }
    }

    pub(crate) const fn must(source: Source, id: &'static str, says: &'static str) -> Self {
        Self {
            id,
            source,
            level: Level::Must,
            says,
        }
    }

    pub(crate) fn order(&self) -> (Source, &'static str) {
        (self.source, self.id)
    }
}

impl Level {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Idem => "Idem",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Draft(section) => write!(f, "draft {section}"),
            Self::Rfc9110(section) => write!(f, "RFC 9110 {section}"),
            Self::Rfc9457(section) => write!(f, "RFC 9457 {section}"),
            Self::Contract(page) => write!(f, "{page}"),
        }
    }
}

impl Serialize for Source {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
