//! Who sits at the machine of this API: only they may start processes on it.

use axum::http::header::{FORWARDED, HOST, VIA};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName};

/// What proxies add, for whose clients this is not their machine.
const PROXIED: [HeaderName; 3] = [FORWARDED, VIA, HeaderName::from_static("x-forwarded-for")];

/// Whether a request says that it comes from a browser on this machine.
///
/// A proxy in front may let everybody in, and so may a name that somebody else has pointed at this machine (DNS
/// rebinding): so the host must be the machine's own, by its usual name or its address.
pub(super) fn is_nearby(headers: &HeaderMap) -> bool {
    if PROXIED.iter().any(|name| headers.contains_key(name)) {
        return false;
    }
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let host = host.and_then(|host| host.parse::<Authority>().ok());
    host.is_some_and(|host| ["localhost", "127.0.0.1", "[::1]"].contains(&host.host()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_of_this_machine_are_nearby() {
        for (host, expected) in [
            ("localhost:8080", true),
            ("127.0.0.1", true),
            ("[::1]:8080", true),
            ("shop.example", false),
            ("localhost.shop.example", false),
            ("127.0.0.1.shop.example:8080", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            assert_eq!(is_nearby(&headers), expected, "{host}");
            headers.insert("x-forwarded-for", "10.0.0.1".parse().unwrap());
            assert!(!is_nearby(&headers), "{host}");
        }
        assert!(!is_nearby(&HeaderMap::new()));
    }
}
