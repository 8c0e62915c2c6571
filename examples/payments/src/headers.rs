//! Headers that every answer of the API has.

use axum::http::{HeaderValue, header};
use axum::response::Response;

/// Says that an answer is for its caller alone, and is what its content type says.
///
/// A layer around all handlers sets them: they stand in no record, and on replays and refusals too.
pub(crate) async fn set(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
