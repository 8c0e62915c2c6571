//! Reads a body, and keeps what it has read.
//!
//! What was read can leave it in three ways: as bytes, as a body of known length, or as the
//! beginning of a body whose rest has not been read.

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::http::HeaderMap;
use bytes::BytesMut;
use futures_util::{StreamExt, TryStreamExt, stream};
use http_body::Frame;
use http_body_util::{BodyExt, BodyStream, LengthLimitError, StreamBody};

/// What has been read of a body.
#[derive(Default)]
pub(crate) struct BodyReader {
    data: Data,
    /// Trailers, or an error. The error is unwrapped, since a new body wraps it again: extractors
    /// recognise an error by how often it is wrapped.
    last: Vec<Result<Frame<Bytes>, BoxError>>,
}

/// The data that has been read, in one piece.
///
/// Most bodies have one frame, which is kept as it came. More frames are copied into one buffer, as
/// the handler's own extractor would copy them; it then finds one frame, and copies nothing. So a
/// body that is sent byte by byte takes one buffer and not one for each byte.
///
/// A frame may be a part of its connection's read buffer, and keeps all of that in memory. It is one
/// buffer for each connection, with Idem and without.
enum Data {
    Frame(Bytes),
    Copied(BytesMut),
}

/// Why a body was not read to its end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ReadError {
    TooLong,
    NoRoom,
    Broken,
}

impl BodyReader {
    /// Reads until the body ends; trailers count too.
    ///
    /// The frame that exceeds `max` or finds no room is kept, since nothing can put it back. So one
    /// frame more than allowed may be held for a moment.
    ///
    /// # Errors
    ///
    /// [`ReadError::TooLong`] also if a layer around the body has cut it at a limit of its own.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: the reader keeps what it has read.
    pub(crate) async fn read(
        &mut self,
        body: &mut Body,
        max: u64,
        mut has_room: impl FnMut(usize) -> bool,
    ) -> Result<(), ReadError> {
        let mut length = 0;
        while let Some(frame) = body.frame().await {
            let frame = match frame {
                Ok(frame) => frame,
                Err(error) => {
                    let error = error.into_inner();
                    let is_too_long = is_too_long(&*error);
                    self.last.push(Err(error));
                    return Err(if is_too_long {
                        ReadError::TooLong
                    } else {
                        ReadError::Broken
                    });
                }
            };
            match frame.into_data() {
                Ok(more) => {
                    length += more.len();
                    self.data.push(more);
                }
                Err(frame) => {
                    length += frame.trailers_ref().map_or(0, length_of);
                    self.last.push(Ok(frame));
                }
            }
            if u64::try_from(length).map_or(true, |length| length > max) {
                return Err(ReadError::TooLong);
            }
            if !has_room(length) {
                return Err(ReadError::NoRoom);
            }
        }
        Ok(())
    }

    /// The body, which has been read to its end.
    pub(crate) fn whole(self) -> (Bytes, Body) {
        let bytes = self.data.into_bytes();
        let body = match self.last.is_empty() {
            true => Body::from(bytes.clone()),
            // Its length must stay unknown: in HTTP/1.1 a body of known length has no trailers.
            false => {
                let data = stream::iter([Ok(Frame::data(bytes.clone()))]);
                Body::new(StreamBody::new(data.chain(stream::iter(self.last))))
            }
        };
        (bytes, body)
    }

    /// What has been read, without the trailers.
    pub(crate) fn into_bytes(self) -> Bytes {
        self.data.into_bytes()
    }

    /// What has been read, and the rest of the body behind it.
    ///
    /// The errors of the rest are unwrapped as those that were read: `Body::new` wraps each of them
    /// once again.
    pub(crate) fn followed_by(self, rest: Body) -> Body {
        let data = Some(self.data.into_bytes()).filter(|data| !data.is_empty());
        let data = data.map(|data| Ok(Frame::data(data)));
        let seen = stream::iter(data.into_iter().chain(self.last));
        let rest = TryStreamExt::map_err(BodyStream::new(rest), axum::Error::into_inner);
        Body::new(StreamBody::new(seen.chain(rest)))
    }
}

impl Data {
    fn push(&mut self, frame: Bytes) {
        match self {
            Self::Frame(first) if first.is_empty() => *first = frame,
            Self::Frame(_) if frame.is_empty() => {}
            Self::Frame(first) => {
                let mut both = BytesMut::with_capacity(first.len() + frame.len());
                both.extend_from_slice(first);
                both.extend_from_slice(&frame);
                *self = Self::Copied(both);
            }
            Self::Copied(data) => data.extend_from_slice(&frame),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Frame(data) => data,
            Self::Copied(data) => data.freeze(),
        }
    }
}

impl Default for Data {
    fn default() -> Self {
        Self::Frame(Bytes::new())
    }
}

/// The length of fields as lines of HTTP/1.1, as in stored headers: both share one limit.
fn length_of(fields: &HeaderMap) -> usize {
    let lines = fields.iter();
    lines
        .map(|(name, value)| name.as_str().len() + value.len() + ": \r\n".len())
        .sum()
}

/// Whether the limit of an outer layer has ended the body. Layers wrap the error, so its causes
/// count.
fn is_too_long(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<LengthLimitError>() || error.source().is_some_and(is_too_long)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    async fn read(frames: Vec<Bytes>) -> BodyReader {
        let frames = frames.into_iter().map(Ok::<_, Infallible>);
        let mut body = Body::from_stream(stream::iter(frames));
        let mut reader = BodyReader::default();
        let read = reader.read(&mut body, u64::MAX, |_| true).await;
        assert_eq!(read, Ok(()));
        reader
    }

    #[tokio::test]
    async fn a_body_of_one_frame_is_not_copied() {
        let frame = Bytes::from(vec![b'x'; 5000]);
        let frames = vec![Bytes::new(), frame.clone(), Bytes::new()];
        let (bytes, body) = read(frames.clone()).await.whole();
        assert_eq!(bytes.as_ptr(), frame.as_ptr());
        let again = body.collect().await.unwrap().to_bytes();
        assert_eq!(again.as_ptr(), frame.as_ptr());
        assert_eq!(read(frames).await.into_bytes().as_ptr(), frame.as_ptr());
    }

    #[tokio::test]
    async fn a_body_of_many_tiny_frames_is_held_in_one_buffer() {
        let sent: Vec<u8> = (0..10_000)
            .map(|number: u32| number.to_le_bytes()[0])
            .collect();
        let frames = sent.iter().map(|byte| Bytes::copy_from_slice(&[*byte]));
        let (bytes, body) = read(frames.collect()).await.whole();
        assert_eq!(bytes, sent);
        let again = body.collect().await.unwrap().to_bytes();
        assert_eq!(again.as_ptr(), bytes.as_ptr());
    }
}
