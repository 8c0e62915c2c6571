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
    /// In one piece: a body that is sent byte by byte must not take one buffer for each.
    data: BytesMut,
    /// Trailers, or an error. The error is unwrapped, since a new body wraps it again: extractors
    /// recognise an error by how often it is wrapped.
    last: Vec<Result<Frame<Bytes>, BoxError>>,
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
                    self.data.extend_from_slice(&more);
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
        let bytes = self.data.freeze();
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
        self.data.freeze()
    }

    /// What has been read, and the rest of the body behind it.
    ///
    /// The errors of the rest are unwrapped as those that were read: `Body::new` wraps each of them
    /// once again.
    pub(crate) fn followed_by(self, rest: Body) -> Body {
        let data = (!self.data.is_empty()).then(|| Ok(Frame::data(self.data.freeze())));
        let seen = stream::iter(data.into_iter().chain(self.last));
        let rest = TryStreamExt::map_err(BodyStream::new(rest), axum::Error::into_inner);
        Body::new(StreamBody::new(seen.chain(rest)))
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
