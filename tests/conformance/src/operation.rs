//! The operation under test: makes its requests.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use uuid::Uuid;

use crate::exchange::Secrets;
use crate::options::Options;
use crate::request::Request;
use crate::verdict::Stop;

#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) key_header: HeaderName,
    pub(crate) key_is_optional: bool,
    pub(crate) bodies: Bodies,
    pub(crate) list: Option<List>,
    pub(crate) policy_path: Option<String>,
    pub(crate) other_tenant: Option<(HeaderName, HeaderValue)>,
    pub(crate) secrets: Secrets,
    method: Method,
    path: String,
    headers: Vec<(HeaderName, HeaderValue)>,
    sends_bare_keys: bool,
}

/// The bodies that the options give.
#[derive(Debug)]
pub(crate) struct Bodies {
    body: String,
    other: Option<String>,
    slow: Option<String>,
    invalid: Option<String>,
    failing: Option<String>,
    declined: Option<String>,
}

/// What counts the effects of one key.
#[derive(Debug)]
pub(crate) struct List {
    path: String,
    pub(crate) pointer: String,
}

/// One key with a unique text: what belongs together on the server.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) key: String,
    unique: String,
}

impl Case {
    pub(crate) fn new() -> Self {
        Self {
            key: Uuid::new_v4().to_string(),
            unique: Uuid::new_v4().to_string(),
        }
    }

    /// The same texts under a key of its own.
    pub(crate) fn with_another_key(&self) -> Self {
        let key = Uuid::new_v4().to_string();
        Self {
            key,
            unique: self.unique.clone(),
        }
    }

    /// The key, made longer.
    pub(crate) fn key_of_length(&self, length: usize) -> String {
        format!("{:x<length$}", self.key)
    }

    fn fill(&self, text: &str) -> String {
        text.replace("{unique}", &self.unique)
    }
}

impl Operation {
    /// A request with the case's key.
    pub(crate) fn request(&self, case: &Case) -> Request {
        self.with_body(case, &self.bodies.body)
    }

    /// The same key with another payload.
    pub(crate) fn other(&self, case: &Case) -> Result<Request, Stop> {
        self.with(case, self.bodies.other.as_deref(), "--other-body")
    }

    pub(crate) fn slow(&self, case: &Case) -> Result<Request, Stop> {
        self.with(case, self.bodies.slow.as_deref(), "--slow-body")
    }

    pub(crate) fn invalid(&self, case: &Case) -> Result<Request, Stop> {
        self.with(case, self.bodies.invalid.as_deref(), "--invalid-body")
    }

    pub(crate) fn failing(&self, case: &Case) -> Result<Request, Stop> {
        self.with(case, self.bodies.failing.as_deref(), "--failing-body")
    }

    pub(crate) fn declined(&self, case: &Case) -> Result<Request, Stop> {
        self.with(case, self.bodies.declined.as_deref(), "--declined-body")
    }

    /// A request whose header of the key has these lines.
    pub(crate) fn with_lines(&self, case: &Case, lines: &[&str]) -> Result<Request, Stop> {
        let mut request = self.request(case).without(&self.key_header);
        for line in lines {
            let value = HeaderValue::from_bytes(line.as_bytes());
            let value = value.map_err(|error| Stop::Failed(format!("{line:?}: {error}")))?;
            request = request.header(&self.key_header, &value);
        }
        Ok(request)
    }

    /// The same request by the other tenant.
    pub(crate) fn by_other_tenant(&self, request: Request) -> Result<Request, Stop> {
        let missing = || Stop::NotApplicable("without --other-tenant-header".to_owned());
        let (name, value) = self.other_tenant.as_ref().ok_or_else(missing)?;
        Ok(request.without(name).header(name, value))
    }

    /// The header that says who asks.
    pub(crate) fn credential(&self) -> Result<HeaderName, Stop> {
        let named = self.other_tenant.as_ref().map(|(name, _)| name.clone());
        let name = named.unwrap_or(header::AUTHORIZATION);
        match self.headers.iter().any(|(there, _)| *there == name) {
            true => Ok(name),
            false => Err(Stop::NotApplicable(format!("no --header gives {name}"))),
        }
    }

    /// A `GET` with the operation's headers.
    pub(crate) fn get(&self, case: &Case, path: &str) -> Request {
        Request {
            method: Method::GET,
            path: case.fill(path),
            headers: self.headers.clone(),
            body: Bytes::new(),
        }
    }

    /// What lists the effects of this case.
    pub(crate) fn effects_of(&self, case: &Case) -> Option<Request> {
        let list = self.list.as_ref()?;
        Some(self.get(case, &list.path))
    }

    /// A `GET` of the operation's own path, to see whether the server answers.
    pub(crate) fn probe(&self) -> Request {
        self.get(&Case::new(), &self.path)
    }

    fn with(&self, case: &Case, body: Option<&str>, option: &str) -> Result<Request, Stop> {
        let missing = || Stop::NotApplicable(format!("without {option}"));
        Ok(self.with_body(case, body.ok_or_else(missing)?))
    }

    fn with_body(&self, case: &Case, body: &str) -> Request {
        let request = Request {
            method: self.method.clone(),
            path: case.fill(&self.path),
            headers: self.headers.clone(),
            body: case.fill(body).into(),
        };
        let key = match self.sends_bare_keys {
            true => HeaderValue::from_str(&case.key),
            false => HeaderValue::from_str(&format!("\"{}\"", case.key)),
        };
        // A UUID is always a valid value.
        match key {
            Ok(key) => request.header(&self.key_header, &key),
            Err(_) => request,
        }
    }
}

impl TryFrom<&Options> for Operation {
    type Error = String;

    fn try_from(options: &Options) -> Result<Self, String> {
        let options = options.filled_in();
        let mut headers = Vec::new();
        let mut secrets = Secrets::default();
        for line in &options.header {
            headers.push(header_line(&line.0)?);
        }
        let other_tenant = options.other_tenant_header.as_ref();
        let other_tenant = other_tenant.map(|line| header_line(&line.0));
        let other_tenant = other_tenant.transpose()?;
        for (name, value) in headers.iter().chain(&other_tenant) {
            secrets.add(name, value);
        }
        if !headers.iter().any(|(name, _)| name == header::CONTENT_TYPE) {
            let json = HeaderValue::from_static("application/json");
            headers.push((header::CONTENT_TYPE, json));
        }
        Ok(Self {
            key_header: parsed(&options.key_header, "--key-header")?,
            key_is_optional: options.key_optional,
            method: parsed(&options.method, "--method")?,
            path: options
                .path
                .ok_or("say the operation's --path, or --payments")?,
            bodies: Bodies {
                body: options
                    .body
                    .ok_or("say a --body that succeeds, or --payments")?,
                other: options.other_body,
                slow: options.slow_body,
                invalid: options.invalid_body,
                failing: options.failing_body,
                declined: options.declined_body,
            },
            list: options.list_path.map(|path| List {
                path,
                pointer: options.list_pointer,
            }),
            policy_path: options.policy_path,
            sends_bare_keys: options.bare_keys,
            other_tenant,
            headers,
            secrets,
        })
    }
}

fn header_line(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    // The value may be a secret, so that no error shows it.
    let wrong = || "a header is written as `Name: value`".to_owned();
    let (name, value) = line.split_once(':').ok_or_else(wrong)?;
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| wrong())?;
    value.set_sensitive(true);
    Ok((name.trim().parse().map_err(|_| wrong())?, value))
}

fn parsed<T: std::str::FromStr>(text: &str, option: &str) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{option} {text:?} cannot be used"))
}
