//! The pages of the payments app in a real browser.

#![allow(
    clippy::duplicate_mod,
    reason = "the cases are compiled once per database"
)]
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[cfg(idem_no_browser)]
#[test]
#[ignore = "needs chromium-driver and npm"]
fn browser_is_missing() {}

#[cfg(all(feature = "sqlite", not(idem_no_browser)))]
#[path = "."]
mod sqlite {
    use idem_tests::sqlite::{FEATURE, TestDb};

    #[path = "pages/app.rs"]
    mod app;
    #[path = "pages/home.rs"]
    mod home;
    // What does not depend on the database.
    #[path = "pages/looks.rs"]
    mod looks;
    #[path = "pages/metrics.rs"]
    mod metrics;
    #[path = "pages/operate.rs"]
    mod operate;
}

#[cfg(all(feature = "postgres", not(any(idem_no_browser, idem_no_postgres))))]
#[path = "."]
mod postgres {
    use idem_tests::postgres::{FEATURE, TestDb};

    #[path = "pages/app.rs"]
    mod app;
    #[path = "pages/home.rs"]
    mod home;
    #[path = "pages/operate.rs"]
    mod operate;
    #[path = "pages/storm.rs"]
    mod storm;
}

#[cfg(all(feature = "mysql", not(any(idem_no_browser, idem_no_mysql))))]
#[path = "."]
mod mysql {
    use idem_tests::mysql::{FEATURE, TestDb};

    #[path = "pages/app.rs"]
    mod app;
    #[path = "pages/home.rs"]
    mod home;
    #[path = "pages/operate.rs"]
    mod operate;
}
