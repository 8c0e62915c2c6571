//! A body that is read for a look and handed on as it was.

use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use bytes::BytesMut;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use tokio::time::{Instant, timeout_at};

/// What was seen of a body, and the body again.
pub(crate) struct Looked {
    /// All of it; none where it is too long, too slow or broken.
    pub(crate) bytes: Option<Bytes>,
    pub(crate) body: Body,
}

/// Reads a body of up to `max` bytes. Whatever it turns out to be, nothing of it is lost.
pub(crate) async fn look(mut body: Body, max: u64, patience: Duration) -> Looked {
    let limit = Instant::now() + patience;
    let mut frames: Frames = Vec::new();
    let (mut data, mut is_plain) = (BytesMut::new(), true);
    loop {
        let Ok(frame) = timeout_at(limit, body.frame()).await else {
            return Looked::broken_off(frames, body);
        };
        match frame {
            None if is_plain => {
                let bytes = data.freeze();
                let body = Body::from(bytes.clone());
                return Looked {
                    bytes: Some(bytes),
                    body,
                };
            }
            None => {
                return Looked {
                    bytes: Some(data.freeze()),
                    body: Body::new(StreamBody::new(stream::iter(frames))),
                };
            }
            Some(Ok(frame)) => {
                match frame.data_ref() {
                    Some(more) => data.extend_from_slice(more),
                    None => is_plain = false,
                }
                frames.push(Ok(frame));
            }
            Some(Err(error)) => {
                frames.push(Err(error.into_inner()));
                return Looked::broken_off(frames, body);
            }
        }
        if u64::try_from(data.len()).is_ok_and(|length| length > max) {
            return Looked::broken_off(frames, body);
        }
    }
}

/// What has been read. An error is without the wrapping that a new body puts around it again: of
/// how many there are extractors tell what it is.
type Frames = Vec<Result<Frame<Bytes>, BoxError>>;

impl Looked {
    fn broken_off(frames: Frames, rest: Body) -> Self {
        let rest = TryStreamExt::map_err(BodyStream::new(rest), axum::Error::into_inner);
        let all = stream::iter(frames).chain(rest);
        Self {
            bytes: None,
            body: Body::new(StreamBody::new(all)),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use futures_util::Stream;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn body(
        frames: impl Stream<Item = Result<Frame<Bytes>, &'static str>> + Send + 'static,
    ) -> Body {
        Body::new(StreamBody::new(frames))
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, &'static str> {
        Ok(Frame::data(Bytes::from_static(text.as_bytes())))
    }

    #[tokio::test]
    async fn a_body_is_seen_and_handed_on() {
        let seen = look(body(stream::iter([data("one "), data("two")])), 7, PATIENCE).await;
        assert_eq!(seen.bytes.as_deref(), Some(b"one two".as_slice()));
        let size = http_body::Body::size_hint(&seen.body).exact();
        assert_eq!(size, Some(7));
        assert_eq!(seen.body.collect().await.unwrap().to_bytes(), "one two");
    }

    #[tokio::test]
    async fn trailers_are_handed_on() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        let frames = [data("one"), Ok(Frame::trailers(trailers.clone()))];
        let seen = look(body(stream::iter(frames)), 9, PATIENCE).await;
        assert_eq!(seen.bytes.as_deref(), Some(b"one".as_slice()));
        let again = seen.body.collect().await.unwrap();
        assert_eq!(again.trailers(), Some(&trailers));
        assert_eq!(again.to_bytes(), "one");
    }

    #[tokio::test]
    async fn of_a_long_body_nothing_is_lost() {
        let frames = [data("one "), data("two "), data("three")];
        let seen = look(body(stream::iter(frames)), 5, PATIENCE).await;
        assert_eq!(seen.bytes, None);
        assert_eq!(
            seen.body.collect().await.unwrap().to_bytes(),
            "one two three"
        );
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_breaks_off_again() {
        let frames = [data("one"), Err("cut")];
        let mut seen = look(body(stream::iter(frames)), 9, PATIENCE).await;
        assert_eq!(seen.bytes, None);
        let first = seen.body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
        assert!(seen.body.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_not_waited_for() {
        let frames = stream::iter([data("one")]).chain(stream::pending());
        let mut seen = look(body(frames), 9, PATIENCE).await;
        assert_eq!(seen.bytes, None);
        let first = seen.body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
    }
}
