//! Real brokers, and the worker of the payments example on each of them.

#![allow(
    clippy::duplicate_mod,
    reason = "each file is compiled once per broker and database"
)]
#![allow(clippy::panic, clippy::unwrap_used, unreachable_pub, reason = "tests")]
#![allow(
    dead_code,
    unused_macros,
    reason = "without a database nothing is tried on it"
)]

use tokio::sync::Semaphore;

/// Tests for every broker and database.
macro_rules! inbox {
    () => {
        #[path = "brokers/inbox_batches.rs"]
        mod inbox_batches;
        #[path = "brokers/inbox_dead_letters.rs"]
        mod inbox_dead_letters;
        #[path = "brokers/inbox_events.rs"]
        mod inbox_events;
        #[path = "brokers/inbox_restarts.rs"]
        mod inbox_restarts;
        #[path = "brokers/inbox_retention.rs"]
        mod inbox_retention;
        #[path = "brokers/inbox_two_workers.rs"]
        mod inbox_two_workers;
        #[path = "brokers/shop.rs"]
        mod shop;
    };
}

/// Tests that break the network between the worker and its database or broker.
macro_rules! network_faults {
    () => {
        #[path = "brokers/inbox_acknowledgements.rs"]
        mod inbox_acknowledgements;
        #[path = "brokers/inbox_crashes.rs"]
        mod inbox_crashes;
        #[path = "brokers/inbox_outages.rs"]
        mod inbox_outages;
        #[path = "brokers/inbox_redelivery.rs"]
        mod inbox_redelivery;
        #[path = "brokers/inbox_relay.rs"]
        mod inbox_relay;
        #[path = "brokers/network_faults.rs"]
        mod network_faults;
    };
}

/// Runs the tests on each server that a worker's database can be on.
macro_rules! on_each_server {
    ($queue:tt $($item:item)*) => {
        #[cfg(all(feature = "postgres", not(idem_no_postgres)))]
        #[path = "."]
        mod postgres {
            use super::{ACK, Broker};
            use crate::REFUSE;
            use idem_tests::postgres::{Db, FEATURE, TestDb, age_records};

            inbox!();
            network_faults!();
            #[path = $queue]
            mod queue;
            $($item)*
        }

        #[cfg(all(feature = "mysql", not(idem_no_mysql)))]
        #[path = "."]
        mod mysql {
            use super::{ACK, Broker};
            use crate::REFUSE;
            use idem_tests::mysql::{Db, FEATURE, TestDb, age_records};

            inbox!();
            network_faults!();
            #[path = $queue]
            mod queue;
            $($item)*
        }
    };
}

/// Lets so many tests at a time have a worker. With more of them a worker can be slower than the time in which it has
/// to acknowledge.
static TURNS: Semaphore = Semaphore::const_new(4);

/// Statements that make the ledger refuse payment 13, and accept it again.
const REFUSE: [&str; 2] = [
    "alter table ledger_entry add constraint refused check (payment_id <> 13)",
    "alter table ledger_entry drop constraint refused",
];

#[path = "."]
mod embedded {
    /// The statement that acknowledges a message.
    const ACK: &str = "delete from queue_message";

    /// A table of the worker's own database as the broker.
    struct Broker;

    #[expect(
        clippy::unused_async,
        clippy::unused_self,
        reason = "as of the other brokers"
    )]
    impl Broker {
        async fn start() -> Self {
            Self
        }

        fn url(&self) -> String {
            "embedded".to_owned()
        }
    }

    on_each_server!("brokers/queue_of_table.rs");

    #[cfg(feature = "sqlite")]
    #[path = "."]
    mod sqlite {
        use super::Broker;
        use idem_tests::sqlite::{Db, FEATURE, TestDb, age_records};

        const REFUSE: [&str; 2] = [
            "create trigger refused before insert on ledger_entry when new.payment_id = 13
                begin select raise(abort, 'payment 13 is refused'); end",
            "drop trigger refused",
        ];

        inbox!();
        #[path = "brokers/queue_of_table.rs"]
        mod queue;
    }
}

#[cfg(all(feature = "nats", not(idem_no_nats)))]
#[path = "."]
mod nats {
    use idem_tests::nats::{ACK, Broker};

    #[path = "brokers/nats_consumer.rs"]
    mod consumer;
    #[path = "brokers/server.rs"]
    mod server;

    on_each_server! {
        "brokers/queue_of_broker.rs"
        #[path = "brokers/inbox_broker_restart.rs"]
        mod inbox_broker_restart;
    }
}

#[cfg(all(feature = "rabbitmq", not(idem_no_rabbitmq)))]
#[path = "."]
mod rabbitmq {
    use idem_tests::rabbitmq::{ACK, Broker};

    #[path = "brokers/rabbitmq_consumer.rs"]
    mod consumer;
    #[path = "brokers/server.rs"]
    mod server;

    on_each_server! {
        "brokers/queue_of_broker.rs"
        #[path = "brokers/inbox_broker_restart.rs"]
        mod inbox_broker_restart;
    }
}

/// Stands for all tests that need NATS, so that they count as ignored where it is missing.
#[cfg(all(feature = "nats", idem_no_nats))]
#[test]
#[ignore = "needs nats-server"]
fn nats_is_missing() {
    panic!("needs nats-server");
}

/// Stands for all tests that need RabbitMQ, so that they count as ignored where it is missing.
#[cfg(all(feature = "rabbitmq", idem_no_rabbitmq))]
#[test]
#[ignore = "needs rabbitmq-server"]
fn rabbitmq_is_missing() {
    panic!("needs rabbitmq-server");
}
