//! The first form of fingerprints: one digest of everything, without a list of its parts.
//!
//! The first form did not say whether headers or captured parameters were part of it. So up to four
//! digests are tried, and one that fits is enough. Records of this form are no longer written and
//! disappear with their ttl.

use sha2::{Digest, Sha256};

use super::form::{Comparison, Request, part};
use crate::model::canonical_json;

// Rows contain these numbers, so they never change their meaning.
pub(super) const BODY_V1: i16 = 1;
pub(super) const JSON_V1: i16 = 2;

/// Compares with each digest that the options of the operation may have made of this request: a
/// deploy may have changed them since.
pub(super) fn compare(request: &Request, body: &[u8], version: i16, stored: &[u8]) -> Comparison {
    let canonical = match version {
        JSON_V1 => canonical_json::canonical(body),
        _ => None,
    };
    let body = canonical.as_deref().unwrap_or(body);
    let paths = [Some(&request.path), request.other_path.as_ref()];
    let is_same = paths.into_iter().flatten().any(|path| {
        [true, false].into_iter().any(|with_headers| {
            let mut hash = Sha256::new();
            hash.update(version.to_be_bytes());
            part(&mut hash, request.method.as_bytes());
            part(&mut hash, path.as_bytes());
            part(&mut hash, request.query.as_bytes());
            part(&mut hash, &request.content_type);
            for (name, value) in request.lines.iter().filter(|_| with_headers) {
                part(&mut hash, name.as_bytes());
                part(&mut hash, value);
            }
            part(&mut hash, body);
            *hash.finalize() == *stored
        })
    });
    match is_same {
        true => Comparison::Same,
        false => Comparison::Different,
    }
}
