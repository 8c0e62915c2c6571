//! Headers of every response of the API.

use axum::http::{HeaderValue, header};
use axum::response::Response;

/// Forbids caching and content sniffing.
///
/// A layer around all handlers sets them: records do not contain them, replays and refusals have them.
pub(crate) async fn set(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
