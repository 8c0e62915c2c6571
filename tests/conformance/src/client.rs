//! Sends requests, each over its own connection, and closes it when the client hangs up.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::request::Request;

#[cfg(feature = "tls")]
type Connector = hyper_rustls::HttpsConnector<HttpConnector>;
#[cfg(not(feature = "tls"))]
type Connector = HttpConnector;

#[derive(Debug)]
pub(crate) struct Client {
    base_url: String,
    limit: Duration,
    inner: legacy::Client<Connector, Full<Bytes>>,
}

impl Client {
    pub(crate) fn new(base_url: &str, limit: Duration) -> Result<Self, String> {
        // No message shows the address: it may have a password.
        let uri: Uri = base_url
            .parse()
            .map_err(|_| "--base-url is no address".to_owned())?;
        if uri.authority().is_some_and(|it| it.as_str().contains('@')) {
            return Err("credentials belong into a --header, not into --base-url".to_owned());
        }
        let inner = legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build(connector(base_url)?);
        let base_url = base_url.to_owned();
        Ok(Self {
            base_url,
            limit,
            inner,
        })
    }

    /// The whole response. Dropping the future closes the connection.
    pub(crate) async fn send(&self, request: &Request) -> Result<Answer, String> {
        let request = request.to_http(&self.base_url)?;
        match timeout(self.limit, self.exchange(request)).await {
            Ok(answer) => answer,
            Err(_) => Err(format!("no answer within {:?}", self.limit)),
        }
    }

    async fn exchange(&self, request: http::Request<Full<Bytes>>) -> Result<Answer, String> {
        let response = self.inner.request(request).await;
        let (parts, body) = response.map_err(|error| on_one_line(&error))?.into_parts();
        let body = body.collect().await.map_err(|error| on_one_line(&error))?;
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body: body.to_bytes(),
        })
    }
}

#[cfg(feature = "tls")]
fn connector(_: &str) -> Result<Connector, String> {
    let connector = hyper_rustls::HttpsConnectorBuilder::new().with_native_roots();
    let connector = connector.map_err(|error| format!("the system's certificates: {error}"))?;
    Ok(connector.https_or_http().enable_http1().build())
}

#[cfg(not(feature = "tls"))]
fn connector(base_url: &str) -> Result<Connector, String> {
    match base_url.starts_with("https:") {
        true => Err(
            "https needs the feature `tls`: cargo run -p idem-conformance --features tls"
                .to_owned(),
        ),
        false => Ok(HttpConnector::new()),
    }
}

/// An error with its causes.
fn on_one_line(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
