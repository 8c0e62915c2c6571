//! A stored record is refused or replayed, and what is replayed can be stored again.
//!
//! The first two bytes are the status; the headers end at the first NUL.

#![no_main]
#![allow(
    dead_code,
    reason = "files of another crate, of which this uses two functions"
)]

use idem_core::Completion;
use libfuzzer_sys::fuzz_target;

#[path = "."]
mod body {
    #[path = "../../../idem-axum/src/body/peek.rs"]
    pub(crate) mod peek;
    #[path = "../../../idem-axum/src/body/reader.rs"]
    pub(crate) mod reader;
}
#[path = "."]
mod response {
    #[path = "../../../idem-axum/src/response/capture.rs"]
    pub(crate) mod capture;
    #[path = "../../../idem-axum/src/response/headers.rs"]
    pub(crate) mod headers;
}

use response::capture::replay;
use response::headers::{REPLAYED, encode};

fuzz_target!(|data: &[u8]| {
    let [high, low, record @ ..] = data else {
        return;
    };
    let status = u16::from_be_bytes([*high, *low]);
    let end = record.iter().position(|byte| *byte == 0);
    let (lines, body) = record.split_at(end.unwrap_or(record.len()));
    let stored = |lines: Vec<u8>| Completion::new(status, lines, body.to_vec());
    let Some(replayed) = replay(&stored(lines.to_vec())) else {
        return;
    };
    let lines = encode(replayed.headers(), &[]);
    let again = replay(&stored(lines)).expect("what was encoded is decoded");
    assert_eq!(again.headers()[REPLAYED], "true");
    for (name, _) in again.headers() {
        let values = |headers: &axum::http::HeaderMap| -> Vec<_> {
            headers.get_all(name).iter().cloned().collect()
        };
        assert_eq!(values(again.headers()), values(replayed.headers()));
        assert!(!["set-cookie", "date", "connection", "authorization"].contains(&name.as_str()));
    }
});
