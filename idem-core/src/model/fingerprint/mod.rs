//! The digest of what must not change between retries.
//!
//! Versions are never reused, and old ones are read for as long as records may have them. A request
//! keeps what it takes to compute any of them: its parts and its body, until its attempt runs.
//!
//! | version | made by | compared by |
//! | --- | --- | --- |
//! | 0 | a message without a fingerprint | nothing: always the same |
//! | 1, 2 | earlier builds: bytes, JSON | one digest of everything |
//! | 3 | earlier builds: a function | the function's digest |
//! | 4, 5 | bytes, JSON | form, digest, headers that both sides list |
//! | 6 | a function | its digest; if its name has changed, the bytes |

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use self::first_form::{BODY_V1, JSON_V1};
pub(crate) use self::form::Comparison;
use self::form::{Headers, Request, same_headers, tag};
pub use self::input::{FingerprintBy, FingerprintInput};

mod first_form;
mod form;
mod input;

/// The fingerprint of one request, comparable with every form that this build can read.
///
/// A record keeps the fingerprint of its request. A later request with the same key and another
/// fingerprint is a [mismatch](crate::Claim::Mismatch), not a retry.
///
/// A request is compared with a record in the form in which the record was stored: by its way to
/// read the body and to name the path, and by those of its headers that the operation still lists.
/// So a deploy that changes the options of an attribute never turns a retry into a refusal. If the
/// function of a [`FingerprintBy::Custom`] is gone, Idem replays the record without a comparison
/// and logs a warning.
///
/// # Examples
///
/// ```
/// use idem_core::{Fingerprint, FingerprintBy, FingerprintInput};
///
/// let of = |body: &[u8]| {
///     let input = FingerprintInput::new("POST", "/payments", body);
///     Fingerprint::of(&input, FingerprintBy::Json)
/// };
/// assert_eq!(of(br#"{"amount":5,"to":"b"}"#), of(br#"{ "to": "b", "amount": 5.0 }"#));
/// assert_ne!(of(br#"{"amount":5,"to":"b"}"#), of(br#"{"amount":6,"to":"b"}"#));
/// ```
#[derive(Clone)]
pub struct Fingerprint {
    /// The version and the bytes that are stored.
    stored: (i16, Box<[u8]>),
    /// The parts from which other forms are made. `None` for a message whose content is not
    /// compared.
    request: Option<Arc<Request>>,
    /// The body, if a form needs more than its digest.
    body: Option<Bytes>,
}

// Rows contain these numbers, so they never change their meaning.
const NONE: i16 = 0;
const CUSTOM_V1: i16 = 3;
const BODY_V2: i16 = 4;
const JSON_V2: i16 = 5;
const CUSTOM_V2: i16 = 6;

impl Fingerprint {
    /// Computes the fingerprint of a request.
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::{Fingerprint, FingerprintBy, FingerprintInput};
    ///
    /// let input = FingerprintInput::new("POST", "/payments", b"amount=5");
    /// let fingerprint = Fingerprint::of(&input, FingerprintBy::Body);
    /// assert_eq!(fingerprint, Fingerprint::of(&input, FingerprintBy::Body));
    /// ```
    pub fn of(input: &FingerprintInput<'_>, by: FingerprintBy) -> Self {
        let mut request = Request::of(input);
        let stored = match by {
            FingerprintBy::Body => (BODY_V2, request.by_bytes().with(&request.headers)),
            FingerprintBy::Json => {
                let digest = request.by_json(input.body);
                (JSON_V2, digest.with(&request.headers))
            }
            FingerprintBy::Custom(name, make) => {
                let made = [tag(name.as_bytes()).as_slice(), &make(input)].concat();
                let by_bytes = request.by_bytes().with(&Headers::default());
                (CUSTOM_V2, [made, by_bytes].concat())
            }
        };
        Self {
            stored: (stored.0, stored.1.into()),
            request: Some(Arc::new(request)),
            body: Some(input.kept_body()),
        }
    }

    /// The fingerprint of a message whose content is not compared. It equals every other one.
    pub(crate) fn none() -> Self {
        Self {
            stored: (NONE, Box::default()),
            request: None,
            body: None,
        }
    }

    /// The version and the bytes to store, at most 255.
    pub(crate) fn stored(&self) -> (i16, &[u8]) {
        (self.stored.0, &self.stored.1)
    }

    /// Compares with a stored fingerprint, in the form in which that one was stored.
    pub(crate) fn compare(&self, version: i16, stored: &[u8]) -> Comparison {
        let (own, Some(request)) = (self.stored(), &self.request) else {
            return Comparison::Same;
        };
        if version == NONE || own == (version, stored) {
            return Comparison::Same;
        }
        match version {
            BODY_V1 | JSON_V1 => match &self.body {
                Some(body) => first_form::compare(request, body, version, stored),
                None => Comparison::NotComparable,
            },
            CUSTOM_V1 => self.compare_made(stored),
            BODY_V2 | JSON_V2 => self.compare_request(request, version, stored),
            CUSTOM_V2 => self.compare_custom(request, stored),
            _ => Comparison::Unknown,
        }
    }

    fn compare_request(&self, request: &Request, version: i16, stored: &[u8]) -> Comparison {
        let Some((form, rest)) = stored.split_first() else {
            return Comparison::Unknown;
        };
        let Some((digest, headers)) = rest.split_at_checked(32) else {
            return Comparison::Unknown;
        };
        let own = match version {
            BODY_V2 => request.by_bytes_in(*form),
            _ => request.by_json_in(*form, self.body.as_deref()),
        };
        match own {
            None => Comparison::NotComparable,
            Some(own) if own != *digest => Comparison::Different,
            Some(_) => same_headers(&request.headers, headers),
        }
    }

    fn compare_custom(&self, request: &Request, stored: &[u8]) -> Comparison {
        let Some((made, by_bytes)) = stored.split_at_checked(8 + 32) else {
            return Comparison::Unknown;
        };
        if self.stored.0 == CUSTOM_V2 {
            let Some(own) = self.stored.1.get(..8 + 32) else {
                return Comparison::Unknown;
            };
            match (own == made, own.get(..8) == made.get(..8)) {
                (true, _) => return Comparison::Same,
                (false, true) => return Comparison::Different,
                (false, false) => {}
            }
        }
        // The function is gone. Equal bytes are the same request; other bytes may be.
        match self.compare_request(request, BODY_V2, by_bytes) {
            Comparison::Same => Comparison::Same,
            _ => Comparison::NotComparable,
        }
    }

    /// The first form does not say which function made the fingerprint.
    fn compare_made(&self, stored: &[u8]) -> Comparison {
        match self.stored.1.get(8..8 + 32) {
            Some(made) if self.stored.0 == CUSTOM_V2 && made == stored => Comparison::Same,
            Some(_) if self.stored.0 == CUSTOM_V2 => Comparison::Different,
            _ => Comparison::NotComparable,
        }
    }

    /// The fingerprint for the time in which the attempt runs, without the memory of a body.
    pub(crate) fn without_body(&self) -> Self {
        Self {
            body: None,
            ..self.clone()
        }
    }
}

/// Compares the stored bytes. Those of a [`FingerprintBy::Custom`] contain a digest of the body
/// too, although a retry is compared by the function alone.
impl PartialEq for Fingerprint {
    fn eq(&self, other: &Self) -> bool {
        self.stored == other.stored || NONE == self.stored.0 || NONE == other.stored.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fingerprint")
            .field("stored", &self.stored)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
