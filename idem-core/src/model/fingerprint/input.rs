//! The input of a fingerprint, and the ways to compare requests.

use bytes::Bytes;

/// The parts of a request that a retry repeats, as the input of a [`Fingerprint`].
///
/// [`Fingerprint`]: crate::Fingerprint
///
/// # Examples
///
/// ```
/// use idem_core::FingerprintInput;
///
/// let mut input = FingerprintInput::new("POST", "/payments", br#"{"amount":5}"#);
/// input.content_type = b"application/json";
/// input.headers = &[("x-currency", b"EUR")];
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FingerprintInput<'a> {
    /// The request method.
    pub method: &'a str,
    /// The path as the client sent it, or the captured path parameters if the operation has a name
    /// of its own and may be mounted at several paths.
    pub path: &'a str,
    /// The query without the question mark.
    pub query: &'a str,
    /// The value of `Content-Type`.
    pub content_type: &'a [u8],
    /// The headers that the operation adds, as (lower-case name, value), in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The names of all headers that the operation adds, also of those that the request lacks.
    #[doc(hidden)]
    pub header_names: &'a [&'a str],
    /// The other one of path and captured parameters.
    #[doc(hidden)]
    pub other_path: Option<&'a str>,
    /// Whether `path` contains the captured parameters.
    #[doc(hidden)]
    pub is_by_parameters: bool,
    /// The whole body.
    pub body: &'a [u8],
    /// The same bytes, if they can be kept without a copy.
    pub(super) shared_body: Option<&'a Bytes>,
}

impl<'a> FingerprintInput<'a> {
    /// Creates the input of a request without query, content type and added headers.
    pub fn new(method: &'a str, path: &'a str, body: &'a [u8]) -> Self {
        Self {
            method,
            path,
            query: "",
            content_type: b"",
            headers: &[],
            header_names: &[],
            other_path: None,
            is_by_parameters: false,
            body,
            shared_body: None,
        }
    }

    /// As [`new`](Self::new), with a body that can be kept without a copy.
    #[doc(hidden)]
    pub fn with_shared_body(method: &'a str, path: &'a str, body: &'a Bytes) -> Self {
        Self {
            shared_body: Some(body),
            ..Self::new(method, path, body)
        }
    }

    /// The body, kept for comparisons with other forms.
    pub(super) fn kept_body(&self) -> Bytes {
        match self.shared_body {
            Some(body) => body.clone(),
            None => Bytes::copy_from_slice(self.body),
        }
    }
}

/// How an operation compares requests.
///
/// * [`Body`](Self::Body), the default of the attribute, suits clients that send the very same
///   bytes again, as most do.
/// * [`Json`](Self::Json) suits clients that serialize the body anew for each retry: the order of
///   names, spaces and the notation of numbers do not count.
/// * [`Custom`](Self::Custom) suits a body with a part that changes on every retry, such as a
///   timestamp, or a part of the request that does not matter.
///
/// # Examples
///
/// A function that compares the path and the first line of the body:
///
/// ```
/// use idem_core::{Fingerprint, FingerprintBy, FingerprintInput};
/// use sha2::{Digest, Sha256};
///
/// fn first_line(input: &FingerprintInput<'_>) -> [u8; 32] {
///     let line = input.body.split(|byte| *byte == b'\n').next().unwrap_or_default();
///     Sha256::new()
///         .chain_update(input.path)
///         .chain_update([0])
///         .chain_update(line)
///         .finalize()
///         .into()
/// }
///
/// let request = |body| FingerprintInput::new("POST", "/import", body);
/// let (first, retry) = (request(b"17;EUR\n12:00:01"), request(b"17;EUR\n12:00:05"));
/// assert_eq!(first_line(&first), first_line(&retry));
/// assert_ne!(first_line(&first), first_line(&request(b"18;EUR\n12:00:01")));
///
/// let by = FingerprintBy::Custom("first_line", first_line);
/// let fingerprint = Fingerprint::of(&first, by);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FingerprintBy {
    /// By the bytes of the body.
    Body,
    /// By the canonical form of a JSON body (RFC 8785); other bodies by their bytes.
    ///
    /// A JSON body that has no canonical form without loss, such as one with an integer beyond
    /// 2^53 or a name twice, is compared by its bytes too.
    Json,
    /// By a digest that a function of the application makes of the request.
    ///
    /// Records keep the name. Give the function another name when it changes what it compares: a
    /// record of another name cannot be compared, and is replayed with a warning in the log.
    Custom(&'static str, fn(&FingerprintInput<'_>) -> [u8; 32]),
}
