//! Clients that retry: the same request, with the same key, until there is a final answer.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use reqwest::{Client, Response};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::order::Order;
use super::tally::Tally;
use crate::request;

/// All clients of the API, which count what they see.
pub(super) struct Clients {
    client: Client,
    url: String,
    tally: watch::Sender<Tally>,
}

/// How many of them pay at the same time.
const AT_ONCE: usize = 16;

impl Clients {
    /// # Errors
    ///
    /// No client can be made on this machine.
    pub(super) fn new(url: &str) -> reqwest::Result<Self> {
        Ok(Self {
            client: Client::builder().timeout(PATIENCE).build()?,
            url: url.to_owned(),
            tally: watch::Sender::default(),
        })
    }

    pub(super) fn http(&self) -> &Client {
        &self.client
    }

    pub(super) fn tally(&self) -> watch::Receiver<Tally> {
        self.tally.subscribe()
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut Tally)) {
        self.tally.send_modify(change);
    }

    pub(super) async fn pay_all(&self, orders: &[Order]) {
        let orders = stream::iter(orders);
        let paid = orders.for_each_concurrent(AT_ONCE, |order| self.pay(order));
        paid.await;
    }

    /// Sends one payment as often as its client does.
    pub(super) async fn pay(&self, order: &Order) {
        if let Some(time) = order.hangs_up_after() {
            self.hang_up(order, time).await;
        }
        self.settle(order, order.amount, order.copies(), 201).await;
        if order.is_repeated() {
            self.settle(order, order.amount, 1, 201).await;
        }
        if order.is_changed() {
            self.settle(order, order.amount + 1, 1, 422).await;
        }
        self.count(|tally| {
            tally.settled.insert(order.key.clone());
        });
    }

    /// Drops the request, which closes its connection.
    async fn hang_up(&self, order: &Order, time: Duration) {
        if timeout(time, self.send(order, order.amount)).await.is_err() {
            self.count(|tally| tally.hung_up += 1);
        }
    }

    /// Sends it several times at once, and again until there is a final answer, which should be this one.
    async fn settle(&self, order: &Order, amount: i64, copies: usize, promised: u16) {
        let mut replies = join_all((0..copies).map(|_| self.send(order, amount))).await;
        let mut pause = SHORTEST;
        loop {
            let mut after = None;
            for reply in replies {
                match reply {
                    Reply::Final(status) if status == promised => return,
                    Reply::Final(status) => return self.note_broken_promise(order, amount, status),
                    Reply::Again(told) => after = after.max(told),
                }
            }
            sleep(after.unwrap_or(pause)).await;
            pause = LONGEST.min(pause * 2);
            replies = vec![self.send(order, amount).await];
        }
    }

    fn note_broken_promise(&self, order: &Order, amount: i64, status: u16) {
        let text = match amount == order.amount {
            true => format!("{}: {status}", order.key),
            false => format!("{} with another amount: {status}", order.key),
        };
        self.count(|tally| tally.broken_promises.push(text));
    }

    async fn send(&self, order: &Order, amount: i64) -> Reply {
        self.count(|tally| tally.sent += 1);
        let (key, source) = (&order.key, order.source);
        let request = request::payment(&self.client, &self.url, key, amount, source);
        let answered = async {
            let response = request.send().await?;
            let (reply, status) = (Reply::of(&response), response.status().as_u16());
            let is_replay = response.headers().contains_key("idempotent-replayed");
            response.bytes().await?;
            reqwest::Result::Ok((reply, status, is_replay))
        };
        match answered.await {
            Ok((reply, status, is_replay)) => {
                self.count(|tally| tally.answered(status, is_replay));
                reply
            }
            Err(error) => {
                self.count(|tally| match error.is_connect() {
                    true => tally.unreached += 1,
                    false => tally.lost += 1,
                });
                Reply::Again(None)
            }
        }
    }
}

/// What a client makes of an answer.
enum Reply {
    Final(u16),
    /// Nothing is known yet: the same request again, after this time if the server says one.
    Again(Option<Duration>),
}

impl Reply {
    fn of(response: &Response) -> Self {
        match response.status().as_u16() {
            408 | 409 | 425 | 429 | 500.. => {
                let after = response.headers().get("retry-after");
                let seconds = after.and_then(|after| after.to_str().ok()?.parse().ok());
                Self::Again(seconds.map(Duration::from_secs))
            }
            status => Self::Final(status),
        }
    }
}

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The first pause after a lost answer.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_millis(400);
