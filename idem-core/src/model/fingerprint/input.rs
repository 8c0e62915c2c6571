//! What a fingerprint is made of.

use bytes::Bytes;

/// What a fingerprint is made of: the parts of a request that a retry repeats.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct FingerprintInput<'a> {
    /// The request method.
    pub method: &'a str,
    /// The path as the client sent it, or the captured path parameters where an operation
    /// is named by hand and mounted at several paths.
    pub path: &'a str,
    /// The query, without the question mark.
    pub query: &'a str,
    /// The value of `Content-Type`.
    pub content_type: &'a [u8],
    /// The headers that the operation adds, as (lower-case name, value), in order.
    pub headers: &'a [(&'a str, &'a [u8])],
    /// The names of these headers, those that the request lacks too.
    #[doc(hidden)]
    pub header_names: &'a [&'a str],
    /// The path where the captured parameters stand in for it, or these where it stands itself.
    #[doc(hidden)]
    pub other_path: Option<&'a str>,
    /// Whether the captured parameters stand in for the path.
    #[doc(hidden)]
    pub is_by_parameters: bool,
    /// The whole body.
    pub body: &'a [u8],
    /// The same bytes, where they need not be copied to be kept.
    pub(super) shared_body: Option<&'a Bytes>,
}

impl<'a> FingerprintInput<'a> {
    /// The input of a request without query, content type and added headers.
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

    /// As [`new`](Self::new), with a body that is kept without a copy.
    #[doc(hidden)]
    pub fn with_shared_body(method: &'a str, path: &'a str, body: &'a Bytes) -> Self {
        Self {
            shared_body: Some(body),
            ..Self::new(method, path, body)
        }
    }

    /// The body, to be kept for as long as other forms may be compared.
    pub(super) fn kept_body(&self) -> Bytes {
        match self.shared_body {
            Some(body) => body.clone(),
            None => Bytes::copy_from_slice(self.body),
        }
    }
}

/// How an operation compares requests.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum FingerprintBy {
    /// By the bytes of the body.
    Body,
    /// By the canonical form of a JSON body (RFC 8785); other bodies by their bytes.
    Json,
    /// By what a function of the application makes of the request. The name stands for it in
    /// records: what another name has made is not comparable.
    Custom(&'static str, fn(&FingerprintInput<'_>) -> [u8; 32]),
}
