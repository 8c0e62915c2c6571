//! The way to a database server: direct, or through a proxy.

use idem_tests::proxy::Proxy;

use crate::links::{Link, Route};

/// The URL for a server, and what stands between it and the database of this URL.
pub(crate) async fn link(route: Route, url: String) -> (String, Link) {
    match route {
        Route::Direct => (url, Link::Nothing),
        Route::Counted => {
            let proxy = Proxy::to(&url).await;
            (proxy.url().to_owned(), Link::Counting(proxy))
        }
    }
}
