//! The bytes of a fingerprint, in each form in which records keep them.
//!
//! They are a byte for the form (whether the captured parameters replace the path), the digest of
//! the request without its headers, then a tag and a digest for each header that the operation
//! lists. So a deploy can add headers to the list and remove them: only those are compared that
//! both sides list.
//!
//! A form with 13 headers has 33 + 13 × 16 = 241 bytes and fits the column of 255. A header's tag
//! is 8 bytes of the digest of its name, its digest 8 bytes of that of its lines: an accident is as
//! good as excluded, and a client that looks for a collision only defeats the comparison of its own
//! requests.

use sha2::{Digest, Sha256};

use super::input::FingerprintInput;
use crate::model::canonical_json;

/// The result of a comparison with a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Comparison {
    Same,
    Different,
    /// The operation no longer computes what the record was compared by.
    NotComparable,
    /// The record has a form that this build does not know.
    Unknown,
}

/// The parts of a request, without its body.
pub(super) struct Request {
    pub(super) method: Box<str>,
    pub(super) path: Box<str>,
    pub(super) other_path: Option<Box<str>>,
    form: u8,
    pub(super) query: Box<str>,
    pub(super) content_type: Box<[u8]>,
    /// The header lines in the order of the request, for the first form.
    pub(super) lines: Vec<(Box<str>, Box<[u8]>)>,
    pub(super) headers: Headers,
    body: [u8; 32],
    /// The digest of the canonical form, or of the bytes of a body without one. Only an operation
    /// that compares by it makes it: the form of a long body takes milliseconds.
    json: Option<[u8; 32]>,
}

/// A digest and its form.
pub(super) struct InForm(u8, [u8; 32]);

/// A tag and a digest for each listed header, in the order of the tags. A missing header has one.
#[derive(Default)]
pub(super) struct Headers(Vec<[u8; HEADER]>);

const TAG: usize = 8;
const HEADER: usize = TAG + 8;
/// So many fit into a column of 255 bytes; further headers share the last digest.
const MOST_HEADERS: usize = (255 - 33) / HEADER;

impl Request {
    pub(super) fn of(input: &FingerprintInput<'_>) -> Self {
        Self {
            method: input.method.into(),
            path: input.path.into(),
            other_path: input.other_path.map(Into::into),
            form: u8::from(input.is_by_parameters),
            query: input.query.into(),
            content_type: input.content_type.into(),
            lines: input
                .headers
                .iter()
                .map(|(name, value)| ((*name).into(), (*value).into()))
                .collect(),
            headers: Headers::of(input),
            body: Sha256::digest(input.body).into(),
            json: None,
        }
    }

    pub(super) fn by_bytes(&self) -> InForm {
        InForm(self.form, self.digest(b"body", &self.path, &self.body))
    }

    /// Keeps the digest of the body's canonical form, for comparisons without the body.
    pub(super) fn by_json(&mut self, body: &[u8]) -> InForm {
        let json = self.json_digest(body);
        self.json = Some(json);
        InForm(self.form, self.digest(b"json", &self.path, &json))
    }

    /// `None` if the request has no path in this form.
    pub(super) fn by_bytes_in(&self, form: u8) -> Option<[u8; 32]> {
        Some(self.digest(b"body", self.path_in(form)?, &self.body))
    }

    /// `None` also if the canonical form is not known and there is no body to make it of.
    pub(super) fn by_json_in(&self, form: u8, body: Option<&[u8]>) -> Option<[u8; 32]> {
        let path = self.path_in(form)?;
        let json = self
            .json
            .or_else(|| body.map(|body| self.json_digest(body)))?;
        Some(self.digest(b"json", path, &json))
    }

    fn path_in(&self, form: u8) -> Option<&str> {
        match form == self.form {
            true => Some(&self.path),
            false => self.other_path.as_deref(),
        }
    }

    fn json_digest(&self, body: &[u8]) -> [u8; 32] {
        match canonical_json::canonical(body) {
            Some(text) => Sha256::digest(text).into(),
            None => self.body,
        }
    }

    fn digest(&self, kind: &[u8], path: &str, body: &[u8]) -> [u8; 32] {
        let mut hash = Sha256::new();
        for bytes in [
            kind,
            self.method.as_bytes(),
            path.as_bytes(),
            self.query.as_bytes(),
            &self.content_type,
            body,
        ] {
            part(&mut hash, bytes);
        }
        hash.finalize().into()
    }
}

impl InForm {
    pub(super) fn with(&self, headers: &Headers) -> Vec<u8> {
        let headers = headers.0.iter().flatten().copied();
        std::iter::once(self.0)
            .chain(self.1)
            .chain(headers)
            .collect()
    }
}

impl Headers {
    fn of(input: &FingerprintInput<'_>) -> Self {
        let mut names: Vec<&str> = input.header_names.to_vec();
        names.extend(input.headers.iter().map(|(name, _)| *name));
        names.sort_unstable();
        names.dedup();
        let rest = names.split_off(names.len().min(MOST_HEADERS - 1));
        let mut groups: Vec<Vec<&str>> = names.into_iter().map(|name| vec![name]).collect();
        groups.extend((!rest.is_empty()).then_some(rest));
        let mut headers: Vec<_> = groups.iter().map(|names| header(names, input)).collect();
        headers.sort_unstable();
        Self(headers)
    }
}

fn header(names: &[&str], input: &FingerprintInput<'_>) -> [u8; HEADER] {
    let (mut name, mut value) = (Sha256::new(), Sha256::new());
    for listed in names {
        part(&mut name, listed.as_bytes());
        for (_, line) in input.headers.iter().filter(|(name, _)| name == listed) {
            part(&mut value, listed.as_bytes());
            part(&mut value, line);
        }
    }
    let mut header = [0; HEADER];
    let digests = name
        .finalize()
        .into_iter()
        .take(TAG)
        .chain(value.finalize());
    for (byte, digest) in header.iter_mut().zip(digests) {
        *byte = digest;
    }
    header
}

/// Compares the headers that both sides list.
pub(super) fn same_headers(own: &Headers, stored: &[u8]) -> Comparison {
    let (stored, rest) = stored.as_chunks::<HEADER>();
    if !rest.is_empty() {
        return Comparison::Unknown;
    }
    let differs = |header: &[u8; HEADER]| {
        let mut known = own
            .0
            .iter()
            .filter(|own| own.first_chunk::<TAG>() == header.first_chunk());
        known.any(|own| own != header)
    };
    match stored.iter().any(differs) {
        true => Comparison::Different,
        false => Comparison::Same,
    }
}

/// A short digest of a name.
pub(super) fn tag(name: &[u8]) -> [u8; TAG] {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    [a, b, c, d, e, f, g, h]
}

/// Precedes each part by its length, so that no two lists of parts have the same digest.
pub(super) fn part(hash: &mut Sha256, bytes: &[u8]) {
    hash.update((bytes.len() as u64).to_be_bytes());
    hash.update(bytes);
}
