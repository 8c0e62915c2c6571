//! The signature of a webhook: HMAC-SHA-256 of its time and its body.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::problem::Problem;

/// When and with what code a body was signed.
#[derive(Debug)]
pub(crate) struct Signature<'h> {
    signed_at: &'h str,
    code: &'h str,
}

impl<'h> Signature<'h> {
    /// Reads the header `t=SECONDS,v1=HEX`.
    pub(crate) fn read(header: &'h str) -> Option<Self> {
        let (signed_at, code) = header.split_once(',')?;
        Some(Self {
            signed_at: signed_at.strip_prefix("t=")?,
            code: code.strip_prefix("v1=")?,
        })
    }

    /// Checks that the body was signed with this secret, and just now.
    ///
    /// # Errors
    ///
    /// [`Problem::Forged`]: also if it was signed long ago, since somebody may have recorded it to send it again.
    pub(crate) fn verify(&self, secret: &[u8], body: &[u8]) -> Result<(), Problem> {
        self.verify_at(secret, body, now())
    }

    fn verify_at(&self, secret: &[u8], body: &[u8], now: Duration) -> Result<(), Problem> {
        let signed_at: u64 = self.signed_at.parse().map_err(|_| Problem::Forged)?;
        if now.as_secs().abs_diff(signed_at) > TOLERANCE.as_secs() {
            return Err(Problem::Forged);
        }
        let code = sign(secret, self.signed_at, body).ok_or(Problem::Forged)?;
        match bool::from(code.as_bytes().ct_eq(self.code.as_bytes())) {
            true => Ok(()),
            false => Err(Problem::Forged),
        }
    }
}

/// The code of a body, in hexadecimal digits.
fn sign(secret: &[u8], signed_at: &str, body: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(signed_at.as_bytes());
    mac.update(b".");
    mac.update(body);
    let digits = mac.finalize().into_bytes();
    Some(digits.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the network's clock is compared with this machine's, before the database is asked for anything"
)]
fn now() -> Duration {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default()
}

/// How far the clocks of the network and of this machine may be apart.
const TOLERANCE: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id": "e1"}"#;

    fn verified(secret: &[u8], header: &str, body: &[u8], now: u64) -> bool {
        let signature = Signature::read(header);
        let verify = |signature: Signature<'_>| {
            signature
                .verify_at(secret, body, Duration::from_secs(now))
                .is_ok()
        };
        signature.is_some_and(verify)
    }

    /// The code was computed by another program.
    #[test]
    fn a_body_is_accepted_with_the_code_of_its_secret_and_time() {
        let code = "a0c8daf727ea51eb0c9232f74180f74edf89e51e8b0423a306d2ca4601a0c4b2";
        let header = format!("t=1700000000,v1={code}");
        let now = 1_700_000_000;
        assert!(verified(b"secret", &header, BODY, now));
        assert!(verified(b"secret", &header, BODY, now + 300));
        assert!(verified(b"secret", &header, BODY, now - 300));
        assert!(!verified(b"secret", &header, BODY, now + 301));
        assert!(!verified(b"secret", &header, BODY, now - 301));
        assert!(!verified(b"other", &header, BODY, now));
        assert!(!verified(b"secret", &header, b"{}", now));
        let later = format!("t=1700000001,v1={code}");
        assert!(!verified(b"secret", &later, BODY, now));
    }

    #[test]
    fn a_header_of_another_form_is_refused() {
        for header in [
            "",
            "t=1",
            "v1=00,t=1",
            "t=1,v2=00",
            "t=x,v1=00",
            "t=-1,v1=00",
        ] {
            assert!(!verified(b"secret", header, BODY, 1), "{header}");
        }
    }
}
