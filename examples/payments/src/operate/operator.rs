//! Who operates: anybody with the key that the API was started with, under the name that the audit log has.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::admin;
use crate::app::AppState;
use crate::auth::bearer;
use crate::operate::failure::Failure;

/// An operator, by the user name of HTTP Basic; the password is the admin key.
pub(super) struct Operator {
    name: String,
}

impl Operator {
    /// Who wants it and why, for the audit log.
    ///
    /// # Errors
    ///
    /// The reason is missing, or cannot be in one line of a log.
    pub(super) fn because(&self, reason: &str) -> Result<String, Failure> {
        let reason = reason.trim();
        if reason.is_empty() {
            return Err(Failure::invalid("Say why: the audit log has the reason."));
        }
        if reason.chars().any(char::is_control) || reason.chars().count() > LONGEST {
            return Err(Failure::invalid(
                "A reason is one line of at most 300 characters.",
            ));
        }
        Ok(format!("{}: {reason}", self.name))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl FromRequestParts<AppState> for Operator {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Failure> {
        if app.admin_key.is_none() {
            return Err(Failure::forbidden(
                "Nobody operates this API, since it has no admin key. Start the API with --admin-key, \
                 or with PAYMENTS_ADMIN_KEY in its environment.",
            ));
        }
        if let Some(sent) = bearer(&parts.headers) {
            return match admin::Operator::has_key(app, sent) {
                true => Ok(Self {
                    name: UNNAMED.to_owned(),
                }),
                false => Err(Failure::unauthorized("This is not the admin key.")),
            };
        }
        let Some((name, key)) = basic(&parts.headers) else {
            return Err(Failure::unauthorized(
                "Give your own name as the user name, and the key of --admin-key as the password.",
            ));
        };
        if !admin::Operator::has_key(app, key.as_bytes()) {
            return Err(Failure::unauthorized("The password is not the admin key."));
        }
        let is_name = (1..=LONGEST).contains(&name.trim().chars().count());
        match is_name && !name.chars().any(char::is_control) {
            true => Ok(Self { name }),
            false => Err(Failure::unauthorized(
                "The user name is the name in the audit log: it must not be empty, longer than 300 characters, \
                 or contain control characters.",
            )),
        }
    }
}

/// User name and password of HTTP Basic (RFC 7617), in UTF-8.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let credentials = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = credentials.split_at_checked(b"Basic".len())?;
    let encoded = encoded.strip_prefix(b" ")?.trim_ascii();
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (name, password) = decoded.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// The name of whoever sends the key as `Bearer`, which has no place for one.
const UNNAMED: &str = "bearer of the admin key";

/// The longest name or reason, in characters.
const LONGEST: usize = 300;
