//! What the options in `#[idempotent(…)]` say.
//!
//! Values are checked and converted (`"1h 30m"` is 5400000 milliseconds), and keep their literal
//! where a later step may have to point at it or repeat its words in the documentation.

use proc_macro2::Span;
use syn::{Ident, LitStr, Path, Type};

use crate::options::statuses::StoredStatuses;

/// All options. An option that is missing or wrong has its default.
///
/// `None` stands for "not given": the handle's setting holds then, at run time. So a default that
/// is the handle's is never written here: it would override what the application sets on its
/// builder.
#[derive(Default)]
pub(crate) struct Options {
    /// `scope = "tenant"`, `scope = Tenant`, `scope = claims` or `scope = "global"`; the only one that
    /// is required.
    pub(crate) scope: Scope,
    /// `ttl = "24h"`, in milliseconds.
    pub(crate) ttl: Option<Amount>,
    /// `operation = "payments.create"`. Without it the method and the route name the operation.
    pub(crate) operation: Option<LitStr>,
    /// `key = optional`.
    pub(crate) key_optional: bool,
    /// `fingerprint = "json"`, or a function of the application.
    pub(crate) fingerprint: Fingerprint,
    /// `fingerprint_headers = ["x-currency"]`, in lower case.
    pub(crate) fingerprint_headers: Vec<String>,
    /// `max_body = "64KiB"`, in bytes.
    pub(crate) max_body: Option<Amount>,
    /// `max_response = "1MiB"`, in bytes.
    pub(crate) max_response: Option<Amount>,
    /// `store = "2xx, 409"`.
    pub(crate) store: Option<StoredStatuses>,
    /// `in_flight = "wait 5s"`, in milliseconds.
    pub(crate) wait: Option<Amount>,
    /// `in_flight = "reject"`. Without the option the handle may wait by default.
    ///
    /// Never together with `wait`: both are the one option.
    pub(crate) reject: bool,
    /// `timeout = "30s"`, in milliseconds.
    pub(crate) timeout: Option<Amount>,
    /// `isolation = "serializable"`: the place of the option, for errors.
    pub(crate) serializable: Option<Span>,
    /// `expect = "retries"`.
    pub(crate) expects_retries: bool,
    /// `late_retries = "refuse 30d"`, in milliseconds.
    pub(crate) refuse_late: Option<Amount>,
    /// `late_retries = "run"`. Without the option the handle may refuse them by default.
    ///
    /// Never together with `refuse_late`: both are the one option.
    pub(crate) run_late: bool,
    /// `state = AppState`, for a handler that takes no `State<AppState>`, or only parts of it.
    ///
    /// It changes no behaviour: the compiler finds the state at the route. It is for the checks.
    pub(crate) state: Option<Type>,
    /// `plain = name`: the name under which tests call the handler without Idem.
    pub(crate) plain: Option<Ident>,
}

/// The party to which a key belongs.
///
/// The default stands in for a scope that is missing or wrong, beside an error. A scope that users
/// forget must not become "all callers": one client could get another one's response.
#[derive(Default)]
pub(crate) enum Scope {
    /// All callers share one space of keys.
    #[default]
    Global,
    /// A name in `#[scopes(…)]` of the router's state.
    Named(LitStr),
    /// An extractor, or a tuple of them.
    Type(Box<Type>),
    /// A parameter of the handler, whose extractor runs once.
    Parameter(Ident),
}

/// What must not change between retries, beside method, path, query and content type.
///
/// With a function of the application's own, that function alone decides.
#[derive(Default)]
pub(crate) enum Fingerprint {
    /// The bytes of the body.
    #[default]
    Body,
    /// The canonical form of a JSON body.
    Json,
    /// What this function makes of the request.
    With(Path),
}

/// A number with the text it was written as, which the documentation repeats: `24h`, and not
/// 86400000.
pub(crate) struct Amount {
    pub(crate) value: u64,
    pub(crate) text: LitStr,
}
