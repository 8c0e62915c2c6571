//! A minimal NATS consumer.

use std::time::Duration;

use async_nats::jetstream::{
    self,
    consumer::{AckPolicy, pull},
    stream,
};
use futures_util::StreamExt as _;
use idem_tests::nats::STREAM;

/// A delivered message.
pub struct Delivery {
    pub id: String,
    message: jetstream::Message,
}

pub struct Consumer(pull::Stream);

impl Consumer {
    /// Creates the stream and the consumer `ledger` if they are missing.
    pub async fn on(url: &str) -> Self {
        let jetstream = jetstream::new(async_nats::connect(url).await.unwrap());
        let stream = stream::Config {
            name: STREAM.to_owned(),
            subjects: vec!["payments.>".to_owned()],
            ..Default::default()
        };
        let stream = jetstream.get_or_create_stream(stream).await.unwrap();
        let consumer = pull::Config {
            durable_name: Some("ledger".to_owned()),
            ack_policy: AckPolicy::Explicit,
            ack_wait: Duration::from_secs(1),
            ..Default::default()
        };
        let consumer = stream.get_or_create_consumer("ledger", consumer).await;
        Self(consumer.unwrap().messages().await.unwrap())
    }

    pub async fn can_connect(url: &str) -> bool {
        async_nats::connect(url).await.is_ok()
    }

    pub async fn receive(&mut self) -> Delivery {
        let message = self.0.next().await.unwrap().unwrap();
        let headers = message.headers.as_ref().unwrap();
        Delivery {
            id: headers.get("Event-Id").unwrap().to_string(),
            message,
        }
    }
}

impl Delivery {
    pub async fn ack(self) {
        self.message.ack().await.unwrap();
    }
}
