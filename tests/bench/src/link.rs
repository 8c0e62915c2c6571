//! The way to a database server: direct, or through a proxy.

use std::str::FromStr;

use idem_tests::proxy::Proxy;
use sqlx::ConnectOptions;

use super::Options;
use crate::delay::Delaying;
use crate::links::{Link, Route};

/// The URL for a server, and what stands between it and the database of this URL.
pub(crate) async fn link(route: Route, url: String) -> (String, Link) {
    match route {
        Route::Direct => (url, Link::Nothing),
        Route::Counted => {
            let proxy = Proxy::to(&url).await;
            (proxy.url().to_owned(), Link::Counting(proxy))
        }
        Route::Delayed(delay) => {
            let options = Options::from_str(&url).unwrap();
            let proxy = Delaying::to(options.get_host(), options.get_port(), delay);
            let options = options.host("127.0.0.1").port(proxy.port());
            (options.to_url_lossy().into(), Link::Delaying(proxy))
        }
    }
}
