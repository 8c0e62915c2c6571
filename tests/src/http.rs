//! Requests to a router, in this process or over TCP, and their responses.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// A request that can be sent more than once; each time is another attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

/// The response to one [`Attempt`]. Two are equal when status, headers and body are.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header lines.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// A `POST`.
pub fn post(path: impl Into<String>) -> Attempt {
    request(Method::POST, path)
}

/// A `GET`.
pub fn get(path: impl Into<String>) -> Attempt {
    request(Method::GET, path)
}

/// A request with any method; `path` can have a query.
pub fn request(method: Method, path: impl Into<String>) -> Attempt {
    Attempt {
        method,
        path: path.into(),
        headers: HeaderMap::new(),
        body: Bytes::new(),
    }
}

impl Attempt {
    /// Sets the `Idempotency-Key`.
    pub fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    /// Adds a header line; others of the same name stay.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).unwrap();
        self.headers.append(HeaderName::from_static(name), value);
        self
    }

    /// Sets a body of `application/json`.
    pub fn json(self, body: &impl Serialize) -> Self {
        self.header("content-type", "application/json")
            .body(serde_json::to_vec(body).unwrap())
    }

    /// Changes the method.
    pub fn method(mut self, method: Method) -> Self {
        self.method = method;
        self
    }

    /// Changes the path, which can have a query.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Sets the body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it to a router of this process, without a socket.
    pub async fn send(&self, app: &Router) -> Answer {
        let Ok(response) = app.clone().oneshot(self.to_request()).await;
        Answer::read(response).await.unwrap()
    }

    /// Sends it to a router of this process with a different body, such as one that breaks off.
    pub async fn send_body(&self, app: &Router, body: Body) -> Answer {
        let request = self.to_request().map(|_| body);
        let Ok(response) = app.clone().oneshot(request).await;
        Answer::read(response).await.unwrap()
    }

    /// Sends it over its own TCP connection, which closes when the future is dropped.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached, or closes the connection before the response is complete.
    pub async fn send_to(&self, address: SocketAddr) -> io::Result<Answer> {
        let stream = TcpStream::connect(address).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let mut request = self.to_request();
        request
            .headers_mut()
            .entry(header::HOST)
            .or_insert(HeaderValue::from_static("localhost"));
        let answer = async move {
            let response = sender
                .send_request(request)
                .await
                .map_err(io::Error::other)?;
            Answer::read(response).await
        };
        let (answer, closed) = tokio::join!(answer, connection);
        closed.map_err(io::Error::other).and(answer)
    }

    /// Sends everything except the body, whose `Content-Length` is `length`, over its own TCP
    /// connection.
    ///
    /// # Errors
    ///
    /// When the server cannot be reached.
    pub async fn begin(&self, address: SocketAddr, length: usize) -> io::Result<Upload> {
        let (method, path) = (&self.method, &self.path);
        let mut head = format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n").into_bytes();
        for (name, value) in &self.headers {
            head.extend_from_slice(format!("{name}: ").as_bytes());
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        head.extend_from_slice(format!("content-length: {length}\r\n").as_bytes());
        head.extend_from_slice(b"te: trailers\r\nconnection: close, te\r\n\r\n");
        let mut upload = Upload(TcpStream::connect(address).await?);
        upload.send(&head).await?;
        Ok(upload)
    }

    /// The request as axum and tower expect it.
    pub fn to_request(&self) -> Request<Body> {
        let mut request = Request::new(Body::from(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.path.parse().unwrap();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

/// A partly sent request. Dropping it closes the connection.
#[derive(Debug)]
pub struct Upload(TcpStream);

impl Upload {
    /// Sends a piece of the body.
    ///
    /// # Errors
    ///
    /// When the server has closed the connection.
    pub async fn send(&mut self, piece: &[u8]) -> io::Result<()> {
        self.0.write_all(piece).await
    }

    /// The raw response, once the server has closed the connection.
    ///
    /// # Errors
    ///
    /// When the connection breaks.
    pub async fn answer(mut self) -> io::Result<String> {
        let mut answer = Vec::new();
        self.0.read_to_end(&mut answer).await?;
        String::from_utf8(answer).map_err(io::Error::other)
    }
}

impl Answer {
    async fn read<B>(response: Response<B>) -> io::Result<Self>
    where
        B: hyper::body::Body,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (parts, body) = response.into_parts();
        Ok(Self {
            status: parts.status,
            headers: parts.headers,
            body: body.collect().await.map_err(io::Error::other)?.to_bytes(),
        })
    }

    /// The value of a header that occurs at most once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.headers.get_all(name).iter();
        let value = lines.next().map(|value| value.to_str().unwrap());
        assert!(lines.next().is_none(), "more than one line of {name}");
        value
    }

    /// Whether it is a replay.
    pub fn is_replay(&self) -> bool {
        self.header("idempotent-replayed") == Some("true")
    }

    /// The body, read as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> T {
        match serde_json::from_slice(&self.body) {
            Ok(value) => value,
            Err(error) => panic!("{error} in {self:?}"),
        }
    }
}

/// Serves the router on a free port of this machine until the test's runtime ends.
pub async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    address
}

#[cfg(test)]
mod tests {
    use std::{future::pending, sync::Arc};

    use axum::{Json, routing};
    use serde_json::{Value, json};
    use tokio::sync::Notify;

    use super::*;

    #[tokio::test]
    async fn an_attempt_gets_the_same_response_in_process_and_over_tcp() {
        let app = Router::new().route("/echo", routing::post(echo));
        let attempt = post("/echo").key("k-1").json(&json!({ "amount": 7 }));
        let answer = attempt.send(&app).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(answer.json::<Value>(), json!(["k-1", { "amount": 7 }]));
        assert!(!answer.is_replay());

        let over_tcp = attempt.send_to(serve(app).await).await.unwrap();
        assert_eq!(over_tcp.body, answer.body);
        assert_eq!(
            over_tcp.header("content-type"),
            answer.header("content-type")
        );
    }

    #[tokio::test]
    async fn a_dropped_attempt_closes_its_connection() {
        let (started, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let handler = {
            let (started, dropped) = (Arc::clone(&started), Arc::clone(&dropped));
            async move || {
                let _notify = NotifyOnDrop(dropped);
                started.notify_one();
                pending::<()>().await;
            }
        };
        let address = serve(Router::new().route("/", routing::get(handler))).await;
        let attempt = tokio::spawn(async move { get("/").send_to(address).await });
        started.notified().await;
        attempt.abort();
        dropped.notified().await;
    }

    async fn echo(headers: HeaderMap, Json(body): Json<Value>) -> Json<Value> {
        let key = headers.get("idempotency-key").unwrap().to_str().unwrap();
        Json(json!([key, body]))
    }

    struct NotifyOnDrop(Arc<Notify>);

    impl Drop for NotifyOnDrop {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
}
