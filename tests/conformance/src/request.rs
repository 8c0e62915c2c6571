//! A request that can be sent more than once.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use http_body_util::Full;

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Bytes,
}

impl Request {
    /// Adds a header line; others of the same name stay.
    pub(crate) fn header(mut self, name: &HeaderName, value: &HeaderValue) -> Self {
        self.headers.push((name.clone(), value.clone()));
        self
    }

    /// Removes all lines of this name.
    pub(crate) fn without(mut self, name: &HeaderName) -> Self {
        self.headers.retain(|(there, _)| there != name);
        self
    }

    /// The same with one more parameter in its query.
    pub(crate) fn with_query(&self, parameter: &str) -> Self {
        let separator = if self.path.contains('?') { '&' } else { '?' };
        let mut changed = self.clone();
        changed.path = format!("{}{separator}{parameter}", self.path);
        changed
    }

    /// The same with a parameter at its content type.
    pub(crate) fn with_another_type(&self) -> Self {
        let mut changed = self.clone();
        for (name, value) in &mut changed.headers {
            if *name == header::CONTENT_TYPE {
                let longer = [value.as_bytes(), b"; charset=utf-8"].concat();
                *value = HeaderValue::from_bytes(&longer).unwrap_or_else(|_| value.clone());
            }
        }
        changed
    }

    pub(crate) fn to_http(&self, base_url: &str) -> Result<http::Request<Full<Bytes>>, String> {
        let uri = format!("{}{}", base_url.trim_end_matches('/'), self.path);
        let mut request = http::Request::builder().method(&self.method).uri(uri);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(self.body.clone()));
        request.map_err(|error| format!("{}: {error}", self.path))
    }
}
