//! Reads a body and hands it on as it was.
//!
//! For the modes that must change nothing. A body that is short and fast enough is seen whole; any
//! other one is passed on as soon as that is clear, with all frames, trailers and errors that it
//! would have had. A stream without an end, such as server-sent events, is delayed by the patience
//! and then flows.
//!
//! Three differences remain: frames that were read arrive as one; a body of unknown length that was
//! seen whole has a known one; and one that is passed on unfinished has an unknown one, so that a
//! response without a `content-length` of its own is sent in chunks.

use std::time::Duration;

use axum::body::{Body, Bytes};
use tokio::time::timeout;

use crate::body::reader::BodyReader;

/// What a peek has read of a body, and the body again.
pub(crate) struct PeekedBody {
    /// All of it; `None` if it is too long, too slow or broken.
    pub(crate) bytes: Option<Bytes>,
    pub(crate) body: Body,
}

/// Reads a body of up to `max` bytes, if there is room for them. Nothing of the body is lost.
///
/// `has_room` is asked with the sum of the bytes after each frame.
///
/// # Cancellation
///
/// Dropping it drops the body: the request or response is gone with it.
pub(crate) async fn peek(
    mut body: Body,
    max: u64,
    patience: Duration,
    has_room: impl FnMut(usize) -> bool,
) -> PeekedBody {
    let mut reader = BodyReader::default();
    match timeout(patience, reader.read(&mut body, max, has_room)).await {
        Ok(Ok(())) => {
            let (bytes, body) = reader.whole();
            let bytes = Some(bytes);
            PeekedBody { bytes, body }
        }
        _ => PeekedBody {
            bytes: None,
            body: reader.followed_by(body),
        },
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderMap;
    use futures_util::{Stream, StreamExt, stream};
    use http_body::Frame;
    use http_body_util::{BodyExt, StreamBody};

    use super::*;
    use crate::body::reader::ReadError;

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
    async fn a_body_is_read_and_passed_on_unchanged() {
        let seen = peek(
            body(stream::iter([data("one "), data("two")])),
            7,
            PATIENCE,
            |_| true,
        )
        .await;
        assert_eq!(seen.bytes.as_deref(), Some(b"one two".as_slice()));
        let size = http_body::Body::size_hint(&seen.body).exact();
        assert_eq!(size, Some(7));
        assert_eq!(seen.body.collect().await.unwrap().to_bytes(), "one two");
    }

    #[tokio::test]
    async fn trailers_are_passed_on() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        let frames = || [data("one"), Ok(Frame::trailers(trailers.clone()))];
        let (frames, too_long) = (frames(), frames());
        // "x-sum: 1" and an end of line.
        let seen = peek(body(stream::iter(too_long)), 12, PATIENCE, |_| true).await;
        assert_eq!(seen.bytes, None);
        let again = seen.body.collect().await.unwrap();
        assert_eq!(again.trailers(), Some(&trailers));
        assert_eq!(again.to_bytes(), "one");
        let seen = peek(body(stream::iter(frames)), 13, PATIENCE, |_| true).await;
        assert_eq!(seen.bytes.as_deref(), Some(b"one".as_slice()));
        assert_eq!(http_body::Body::size_hint(&seen.body).exact(), None);
        let again = seen.body.collect().await.unwrap();
        assert_eq!(again.trailers(), Some(&trailers));
        assert_eq!(again.to_bytes(), "one");
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_passed_on_whole() {
        let frames = [data("one "), data("two "), data("three")];
        let seen = peek(body(stream::iter(frames)), 5, PATIENCE, |_| true).await;
        assert_eq!(seen.bytes, None);
        assert_eq!(
            seen.body.collect().await.unwrap().to_bytes(),
            "one two three"
        );
    }

    #[tokio::test]
    async fn a_body_that_exceeds_the_budget_is_passed_on_whole() {
        let frames = [data("one "), data("two "), data("three")];
        let seen = peek(body(stream::iter(frames)), 99, PATIENCE, |held| held < 8).await;
        assert_eq!(seen.bytes, None);
        let mut body = seen.body;
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "one two ");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "three");
    }

    #[tokio::test]
    async fn an_outer_limit_reads_as_too_long_and_a_broken_stream_as_broken() {
        let limited = http_body_util::Limited::new(body(stream::iter([data("four")])), 3);
        let broken = body(stream::iter([Err("cut")]));
        for (mut body, told) in [
            (Body::new(limited), ReadError::TooLong),
            (broken, ReadError::Broken),
        ] {
            let read = BodyReader::default().read(&mut body, 9, |_| true).await;
            assert_eq!(read, Err(told));
        }
    }

    #[tokio::test]
    async fn a_broken_body_is_passed_on_with_its_error() {
        let frames = [data("one"), Err("cut")];
        let mut seen = peek(body(stream::iter(frames)), 9, PATIENCE, |_| true).await;
        assert_eq!(seen.bytes, None);
        let first = seen.body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
        assert!(seen.body.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_endless_body_is_passed_on_after_the_timeout() {
        let frames = stream::iter([data("one")]).chain(stream::pending());
        let seen = peek(body(frames), 9, PATIENCE, |_| true);
        let mut seen = timeout(PATIENCE * 2, seen).await.unwrap();
        assert_eq!(seen.bytes, None);
        let first = seen.body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
    }
}
