//! The payments app's HTTP API, over TCP, on every database.

#![allow(
    clippy::duplicate_mod,
    reason = "the cases are compiled once per database"
)]
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]

#[cfg(feature = "sqlite")]
#[path = "."]
mod sqlite {
    use idem_tests::sqlite::{Db, FEATURE, TestDb, age_records};

    const NO_DATABASE: &str = "sqlite:///no/such/folder/payments.db";

    #[path = "api/app.rs"]
    mod app;
    #[path = "api/busy.rs"]
    mod busy;
    #[path = "api/conformance.rs"]
    mod conformance;
    #[path = "api/headers.rs"]
    mod headers;
    #[path = "api/home.rs"]
    mod home;
    #[path = "api/inventory.rs"]
    mod inventory;
    #[path = "api/metrics.rs"]
    mod metrics;
    #[path = "api/notifications.rs"]
    mod notifications;
    #[path = "api/openapi.rs"]
    mod openapi;
    #[path = "api/operate.rs"]
    mod operate;
    #[path = "api/operate_dead_letters.rs"]
    mod operate_dead_letters;
    #[path = "api/operate_records.rs"]
    mod operate_records;
    #[path = "api/operate_rollout.rs"]
    mod operate_rollout;
    #[path = "api/orders.rs"]
    mod orders;
    #[path = "api/pay.rs"]
    mod pay;
    #[path = "api/pay_answers.rs"]
    mod pay_answers;
    #[path = "api/payments.rs"]
    mod payments;
    #[path = "api/problem_pages.rs"]
    mod problem_pages;
    #[path = "api/race.rs"]
    mod race;
    #[path = "api/reads.rs"]
    mod reads;
    #[path = "api/records.rs"]
    mod records;
    #[path = "api/refunds.rs"]
    mod refunds;
    #[path = "api/start.rs"]
    mod start;
    #[path = "api/subscriptions.rs"]
    mod subscriptions;
    #[path = "api/webhooks.rs"]
    mod webhooks;
}

#[cfg(all(feature = "postgres", not(idem_no_postgres)))]
#[path = "."]
mod postgres {
    use idem_tests::postgres::{Db, FEATURE, TestDb, age_records};

    const NO_DATABASE: &str = "postgres://127.0.0.1:1/payments";

    #[path = "api/app.rs"]
    mod app;
    #[path = "api/busy.rs"]
    mod busy;
    #[path = "api/conformance.rs"]
    mod conformance;
    #[path = "api/gone.rs"]
    mod gone;
    #[path = "api/headers.rs"]
    mod headers;
    #[path = "api/home.rs"]
    mod home;
    #[path = "api/inventory.rs"]
    mod inventory;
    #[path = "api/metrics.rs"]
    mod metrics;
    #[path = "api/notifications.rs"]
    mod notifications;
    #[path = "api/openapi.rs"]
    mod openapi;
    #[path = "api/operate.rs"]
    mod operate;
    #[path = "api/operate_dead_letters.rs"]
    mod operate_dead_letters;
    #[path = "api/operate_records.rs"]
    mod operate_records;
    #[path = "api/operate_rollout.rs"]
    mod operate_rollout;
    #[path = "api/orders.rs"]
    mod orders;
    #[path = "api/pay.rs"]
    mod pay;
    #[path = "api/pay_answers.rs"]
    mod pay_answers;
    #[path = "api/payments.rs"]
    mod payments;
    #[path = "api/problem_pages.rs"]
    mod problem_pages;
    #[path = "api/race.rs"]
    mod race;
    #[path = "api/reads.rs"]
    mod reads;
    #[path = "api/records.rs"]
    mod records;
    #[path = "api/refunds.rs"]
    mod refunds;
    #[path = "api/start.rs"]
    mod start;
    #[path = "api/subscriptions.rs"]
    mod subscriptions;
    #[path = "api/webhooks.rs"]
    mod webhooks;
}

#[cfg(all(feature = "mysql", not(idem_no_mysql)))]
#[path = "."]
mod mysql {
    use idem_tests::mysql::{Db, FEATURE, TestDb, age_records};

    const NO_DATABASE: &str = "mysql://127.0.0.1:1/payments";

    #[path = "api/app.rs"]
    mod app;
    #[path = "api/busy.rs"]
    mod busy;
    #[path = "api/conformance.rs"]
    mod conformance;
    #[path = "api/gone.rs"]
    mod gone;
    #[path = "api/headers.rs"]
    mod headers;
    #[path = "api/home.rs"]
    mod home;
    #[path = "api/inventory.rs"]
    mod inventory;
    #[path = "api/metrics.rs"]
    mod metrics;
    #[path = "api/notifications.rs"]
    mod notifications;
    #[path = "api/openapi.rs"]
    mod openapi;
    #[path = "api/operate.rs"]
    mod operate;
    #[path = "api/operate_dead_letters.rs"]
    mod operate_dead_letters;
    #[path = "api/operate_records.rs"]
    mod operate_records;
    #[path = "api/operate_rollout.rs"]
    mod operate_rollout;
    #[path = "api/orders.rs"]
    mod orders;
    #[path = "api/pay.rs"]
    mod pay;
    #[path = "api/pay_answers.rs"]
    mod pay_answers;
    #[path = "api/payments.rs"]
    mod payments;
    #[path = "api/problem_pages.rs"]
    mod problem_pages;
    #[path = "api/race.rs"]
    mod race;
    #[path = "api/reads.rs"]
    mod reads;
    #[path = "api/records.rs"]
    mod records;
    #[path = "api/refunds.rs"]
    mod refunds;
    #[path = "api/start.rs"]
    mod start;
    #[path = "api/subscriptions.rs"]
    mod subscriptions;
    #[path = "api/webhooks.rs"]
    mod webhooks;
}
