//! An answer, read whole.

use bytes::{Bytes, BytesMut};
use reqwest::{Response, ResponseBuilderExt};

use super::error::Failure;

pub(super) type Answer = http::Response<Bytes>;

/// Reads the body. One that breaks off is a failure of the network, and the answer is lost.
pub(super) async fn read(mut response: Response, max: usize) -> Result<Answer, Failure> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Failure::from)? {
        if body.len() + chunk.len() > max {
            return Err(Failure::TooLong(max));
        }
        body.extend_from_slice(&chunk);
    }
    let url = response.url().clone();
    let (parts, _) = http::Response::<reqwest::Body>::from(response).into_parts();
    let mut answer = Answer::new(body.freeze());
    *answer.status_mut() = parts.status;
    *answer.version_mut() = parts.version;
    *answer.headers_mut() = parts.headers;
    *answer.extensions_mut() = parts.extensions;
    // Else the client's user sees an address of no meaning.
    let with_url = http::Response::builder().url(url).body(());
    let with_url = with_url.map(|response| response.into_parts().0.extensions);
    answer.extensions_mut().extend(with_url.unwrap_or_default());
    Ok(answer)
}
