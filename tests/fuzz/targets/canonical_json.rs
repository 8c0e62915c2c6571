//! Two bodies look equal only if they are the same bytes or say exactly the same.
//!
//! The bodies stand on both sides of a byte that no JSON has.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../idem-core/src/model/canonical_json/mod.rs"]
mod canonical_json;
#[path = "../../../idem-core/src/model/canonical_json/exact.rs"]
mod exact;

use canonical_json::canonical;
use exact::Exact;

fuzz_target!(|data: &[u8]| {
    let bodies: Vec<&[u8]> = data.splitn(2, |byte| *byte == 0xff).collect();
    for body in &bodies {
        if let Some(form) = canonical(body) {
            let said = Exact::read(body);
            assert!(said.is_some(), "the second reader refuses it");
            assert_eq!(said, Exact::read(&form));
            assert!(canonical(&form).is_none_or(|again| again == form));
        }
    }
    if let [a, b] = bodies[..] {
        let form = |body: &[u8]| canonical(body).unwrap_or_else(|| body.into());
        if a != b && form(a) == form(b) {
            assert!(Exact::read(a).is_some_and(|said| Some(said) == Exact::read(b)));
        }
    }
});
