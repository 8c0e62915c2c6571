//! The brokers that tests start, and the proxy in front of them.

use idem_tests::a_moment;
use idem_tests::proxy::{Action, Proxy};

use super::consumer::Consumer;
use super::{ACK, Broker};

#[tokio::test]
async fn a_message_stays_in_its_queue_until_it_is_acknowledged() {
    let broker = Broker::start().await;
    let mut consumer = Consumer::on(&broker.url()).await;
    assert_eq!(broker.left("ledger").await, 0);
    for id in ["a", "b"] {
        broker.publish(id, "{}").await;
    }
    assert_eq!(broker.left("ledger").await, 2);
    let a = consumer.receive().await;
    assert_eq!(a.id, "a");
    assert_eq!(broker.left("ledger").await, 2);
    a.ack().await;
    all_but(1, &broker).await;
}

#[tokio::test]
async fn a_killed_broker_keeps_its_messages() {
    let mut broker = Broker::start_alone().await;
    let url = broker.url();
    drop(Consumer::on(&url).await);
    for id in ["a", "b"] {
        broker.publish(id, "{}").await;
    }
    broker.kill().await;
    assert!(!Consumer::can_connect(&url).await);
    broker.restart().await;
    assert_eq!(broker.url(), url);
    assert_eq!(broker.left("ledger").await, 2);
    let mut consumer = Consumer::on(&url).await;
    for _ in 0..2 {
        consumer.receive().await.ack().await;
    }
    all_but(0, &broker).await;
}

#[tokio::test]
async fn a_message_whose_acknowledgement_is_cut_off_is_redelivered() {
    let broker = Broker::start().await;
    let proxy = Proxy::to(&broker.url()).await;
    let mut consumer = Consumer::on(proxy.url()).await;
    let ack = proxy.on(ACK, Action::Cut);
    broker.publish("a", "{}").await;
    consumer.receive().await.ack().await;
    ack.reached().await;
    drop(consumer);
    assert_eq!(broker.left("ledger").await, 1);
    let mut again = Consumer::on(&broker.url()).await;
    assert_eq!(again.receive().await.id, "a");
}

#[tokio::test]
async fn an_acknowledgement_can_be_held() {
    let broker = Broker::start().await;
    let proxy = Proxy::to(&broker.url()).await;
    let mut consumer = Consumer::on(proxy.url()).await;
    let ack = proxy.on(ACK, Action::Hold);
    broker.publish("a", "{}").await;
    consumer.receive().await.ack().await;
    ack.reached().await;
    assert_eq!(broker.left("ledger").await, 1);
    ack.resume();
    all_but(0, &broker).await;
}

/// Waits until this many messages are left; nothing confirms that an acknowledgement has arrived.
async fn all_but(left: u64, broker: &Broker) {
    while broker.left("ledger").await != left {
        a_moment().await;
    }
}
