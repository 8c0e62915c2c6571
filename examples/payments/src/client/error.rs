//! Why a request has no final answer.

use std::io;
use std::path::PathBuf;

use http::StatusCode;

/// A request without a final answer, inside of [`reqwest_middleware::Error::Middleware`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The body is a stream. Nothing was sent.
    #[error("a body that is a stream cannot be sent again: give the whole body")]
    NotRepeatable,
    /// The request has a key in its header and a file for another one. Nothing was sent.
    #[error("the key comes from the header or from the key file, not from both")]
    TwoKeys,
    /// The key file cannot be used. Nothing was sent.
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    /// Every try failed, or had an answer that asks for another one.
    #[error("no final answer after {tries} tries; the outcome is unknown{}", go_on(.key.as_deref()))]
    NoAnswer {
        /// The key to go on with.
        key: Option<String>,
        /// How many times the request was sent.
        tries: usize,
        /// How the last try ended.
        #[source]
        last: Failure,
    },
}

fn go_on(key: Option<&str>) -> String {
    key.map_or_else(String::new, |key| {
        format!(": send the same request again, with the key {key}")
    })
}

/// How a try ended without a final answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The connection failed or broke, or the request cannot be sent at all.
    #[error("the network failed")]
    Network(#[source] reqwest_middleware::Error),
    /// There was no whole answer in time.
    #[error("no answer in time")]
    TimedOut,
    /// The answer is too long to be read. It is not asked for again.
    #[error("the answer is longer than {0} bytes")]
    TooLong(usize),
    /// The answer asks for another try.
    #[error("the last answer was {0}")]
    Answered(StatusCode),
}

impl From<reqwest_middleware::Error> for Failure {
    /// Errors show the address, of which the query may have a secret.
    fn from(mut error: reqwest_middleware::Error) -> Self {
        if let reqwest_middleware::Error::Reqwest(error) = &mut error
            && let Some(url) = error.url_mut()
        {
            url.set_query(None);
        }
        Self::Network(error)
    }
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Self {
        reqwest_middleware::Error::from(error).into()
    }
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file has the key of another request.
    #[error(
        "{} has the key of another request, whose outcome is not known. Send that one again; \
         or look up what it did, and then remove the file", .0.display()
    )]
    AnotherRequest(PathBuf),
    /// The server failed in a way that a program must not retry.
    #[error(
        "the request of {} was last answered with {answer}, and must not be sent again by a program. \
         Look up what it did, and then remove the file", path.display()
    )]
    MustLookUp {
        /// The key file.
        path: PathBuf,
        /// The status of the last answer.
        answer: String,
    },
    /// Another client sends the request of this file now.
    #[error("{} is in use by another client that runs now", .0.display())]
    InUse(PathBuf),
    /// The file is no key file.
    #[error("{} is no key file", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        error: serde_json::Error,
    },
    /// The file cannot be read or written.
    #[error("{} cannot be read or written", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        #[source]
        error: io::Error,
    },
}
