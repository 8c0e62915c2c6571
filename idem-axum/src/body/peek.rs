//! A body that is read, and handed on as it was.

use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use bytes::BytesMut;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, LengthLimitError, StreamBody};
use tokio::time::timeout;

/// What was seen of a body, and the body again.
pub(crate) struct Looked {
    /// All of it; none where it is too long, too slow or broken.
    pub(crate) bytes: Option<Bytes>,
    pub(crate) body: Body,
}

/// Reads a body of up to `max` bytes, for which there must be room. Whatever it turns out to be,
/// nothing of it is lost.
pub(crate) async fn look(
    mut body: Body,
    max: u64,
    patience: Duration,
    has_room: impl FnMut(usize) -> bool,
) -> Looked {
    let mut seen = Seen::default();
    match timeout(patience, seen.read(&mut body, max, has_room)).await {
        Ok(Ok(())) => {
            let (bytes, body) = seen.whole();
            let bytes = Some(bytes);
            Looked { bytes, body }
        }
        _ => seen.broken_off(body),
    }
}

/// What has been read of a body.
#[derive(Default)]
pub(crate) struct Seen {
    /// In one piece: what is sent byte by byte must not take up a buffer for each.
    data: BytesMut,
    /// Trailers, or an error. An error is without the wrapping that a new body puts around it again:
    /// of how many there are extractors tell what it is.
    last: Vec<Result<Frame<Bytes>, BoxError>>,
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unread {
    TooLong,
    NoRoom,
    Broken,
}

impl Seen {
    /// Reads on until the body ends; trailers count as what is read.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: what has been read is there.
    pub(crate) async fn read(
        &mut self,
        body: &mut Body,
        max: u64,
        mut has_room: impl FnMut(usize) -> bool,
    ) -> Result<(), Unread> {
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    let error = error.into_inner();
                    let is_too_long = is_too_long(&*error);
                    self.last.push(Err(error));
                    return Err(if is_too_long {
                        Unread::TooLong
                    } else {
                        Unread::Broken
                    });
                }
            };
            match frame.into_data() {
                Ok(more) => {
                    length += more.len();
                    self.data.extend_from_slice(&more);
                }
                Err(frame) => {
                    length += frame.trailers_ref().map_or(0, length_of);
                    self.last.push(Ok(frame));
                }
            }
            if u64::try_from(length).map_or(true, |length| length > max) {
                return Err(Unread::TooLong);
            }
            if !has_room(length) {
                return Err(Unread::NoRoom);
            }
        }
        Ok(())
    }

    /// The body, which has been read to its end.
    pub(crate) fn whole(self) -> (Bytes, Body) {
        let bytes = self.data.freeze();
        let body = match self.last.is_empty() {
            true => Body::from(bytes.clone()),
            // Its length must not be known: one that is has no trailers in HTTP/1.1.
            false => {
                let data = stream::iter([Ok(Frame::data(bytes.clone()))]);
                Body::new(StreamBody::new(data.chain(stream::iter(self.last))))
            }
        };
        (bytes, body)
    }

    /// What has been read, without the trailers.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.data.freeze()
    }

    fn broken_off(self, rest: Body) -> Looked {
        let data = (!self.data.is_empty()).then(|| Ok(Frame::data(self.data.freeze())));
        let seen = stream::iter(data.into_iter().chain(self.last));
        let rest = TryStreamExt::map_err(BodyStream::new(rest), axum::Error::into_inner);
        Looked {
            bytes: None,
            body: Body::new(StreamBody::new(seen.chain(rest))),
        }
    }
}

/// How long fields are as lines of HTTP/1.1.
fn length_of(fields: &HeaderMap) -> usize {
    let lines = fields.iter();
    lines
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

/// Whether a limit has ended the body: one of a layer further out.
fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<LengthLimitError>() || error.source().is_some_and(is_too_long)
}

#[cfg(test)]
mod tests {
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
        let seen = look(
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
    async fn trailers_are_handed_on() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "1".parse().unwrap());
        let frames = || [data("one"), Ok(Frame::trailers(trailers.clone()))];
        let (frames, too_long) = (frames(), frames());
        // "x-sum: 1" and an end of line.
        let seen = look(body(stream::iter(too_long)), 12, PATIENCE, |_| true).await;
        assert_eq!(seen.bytes, None);
        let again = seen.body.collect().await.unwrap();
        assert_eq!(again.trailers(), Some(&trailers));
        assert_eq!(again.to_bytes(), "one");
        let seen = look(body(stream::iter(frames)), 13, PATIENCE, |_| true).await;
        assert_eq!(seen.bytes.as_deref(), Some(b"one".as_slice()));
        assert_eq!(http_body::Body::size_hint(&seen.body).exact(), None);
        let again = seen.body.collect().await.unwrap();
        assert_eq!(again.trailers(), Some(&trailers));
        assert_eq!(again.to_bytes(), "one");
    }

    #[tokio::test]
    async fn of_a_long_body_nothing_is_lost() {
        let frames = [data("one "), data("two "), data("three")];
        let seen = look(body(stream::iter(frames)), 5, PATIENCE, |_| true).await;
        assert_eq!(seen.bytes, None);
        assert_eq!(
            seen.body.collect().await.unwrap().to_bytes(),
            "one two three"
        );
    }

    #[tokio::test]
    async fn a_body_that_there_is_no_room_for_is_handed_on() {
        let frames = [data("one "), data("two "), data("three")];
        let seen = look(body(stream::iter(frames)), 99, PATIENCE, |held| held < 8).await;
        assert_eq!(seen.bytes, None);
        let mut body = seen.body;
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "one two ");
        assert_eq!(body.collect().await.unwrap().to_bytes(), "three");
    }

    #[tokio::test]
    async fn a_limit_further_out_is_told_from_a_body_that_breaks_off() {
        let limited = http_body_util::Limited::new(body(stream::iter([data("four")])), 3);
        let broken = body(stream::iter([Err("cut")]));
        for (mut body, told) in [
            (Body::new(limited), Unread::TooLong),
            (broken, Unread::Broken),
        ] {
            let read = Seen::default().read(&mut body, 9, |_| true).await;
            assert_eq!(read, Err(told));
        }
    }

    #[tokio::test]
    async fn a_body_that_breaks_off_breaks_off_again() {
        let frames = [data("one"), Err("cut")];
        let mut seen = look(body(stream::iter(frames)), 9, PATIENCE, |_| true).await;
        assert_eq!(seen.bytes, None);
        let first = seen.body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
        assert!(seen.body.frame().await.unwrap().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_not_waited_for() {
        let frames = stream::iter([data("one")]).chain(stream::pending());
        let seen = look(body(frames), 9, PATIENCE, |_| true);
        let mut seen = timeout(PATIENCE * 2, seen).await.unwrap();
        assert_eq!(seen.bytes, None);
        let first = seen.body.frame().await.unwrap().unwrap();
        assert_eq!(first.into_data().unwrap(), "one");
    }
}
