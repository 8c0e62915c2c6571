//! A client disconnects, or the runtime ends, at any step of an attempt.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use idem_axum::Idempotency;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::support::app::{has_paid, payment};
use super::support::scripted_app::{Node, send};
use super::{Db, TestDb};

#[tokio::test]
async fn an_attempt_completes_when_its_client_disconnects_at_any_step_of_the_claim() {
    let db = TestDb::new().await;
    let node = Node::start(&db).await;
    for polls in 1.. {
        let pay = payment("/wait").key(&polls.to_string());
        let answer = polled(polls, pay.send(&node.app())).await;
        let retry = pay.send(&node.app()).await;
        assert!(retry.is_replay(), "after {polls} polls: {retry:?}");
        assert_eq!(i64::try_from(node.runs()), Ok(polls));
        assert_eq!(db.payments().await, polls);
        if answer.is_some() {
            break;
        }
    }
}

/// Drops the future after so many polls, unless it has ended.
async fn polled<T>(limit: i64, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut polls = 0;
    let polled = poll_fn(|context| {
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Pending if polls < limit => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
        }
    });
    polled.await
}

#[tokio::test]
async fn an_attempt_completes_when_its_client_disconnects_at_any_step_of_the_handler() {
    let db = TestDb::new().await;
    Node::start(&db).await;
    let pool = db.pool_of(2).await;
    for step in 1.. {
        let client = Arc::<Mutex<Option<AbortHandle>>>::default();
        let hang_up = {
            let client = Arc::clone(&client);
            move || {
                if let Some(client) = client.lock().unwrap().take() {
                    client.abort();
                }
            }
        };
        let engine = Idempotency::<Db>::builder(pool.clone())
            .wrap_attempts(move |attempt| at_step(step, hang_up.clone(), attempt));
        let node = Node::with(engine.build());
        let pay = payment("/wait").key(&step.to_string());
        let sent = send(&node.app(), pay.clone());
        *client.lock().unwrap() = Some(sent.abort_handle());
        let whole = match sent.await {
            Ok(answer) => has_paid(&answer),
            Err(gone) => !gone.is_cancelled(),
        };
        let retry = pay.send(&node.app()).await;
        assert!(retry.is_replay(), "at step {step}: {retry:?}");
        assert_eq!(node.runs(), 1, "at step {step}");
        assert_eq!(db.payments().await, step);
        if whole {
            break;
        }
    }
}

type Attempt = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Disconnects the client right before the future's poll with this number.
fn at_step(step: i64, hang_up: impl Fn() + Send + 'static, mut attempt: Attempt) -> Attempt {
    let mut polls = 0;
    Box::pin(poll_fn(move |context| {
        polls += 1;
        if polls == step {
            hang_up();
            // The client's task is dropped before this one goes on.
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        attempt.as_mut().poll(context)
    }))
}

#[test]
fn a_runtime_that_ends_during_an_attempt_leaves_nothing_behind() {
    let (lost, runtime) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let db = runtime.block_on(TestDb::new());
    let pay = payment("/wait").key("k");
    lost.block_on(async {
        let node = Node::start(&db).await;
        let first = pay.clone().header("x-then", "gate");
        let _sent = send(&node.app(), first);
        node.at_gate().await;
    });
    drop(lost);
    runtime.block_on(async {
        assert_eq!(db.payments().await, 0);
        let node = Node::start(&db).await;
        assert!(has_paid(&pay.send(&node.app()).await));
        assert_eq!((node.runs(), db.payments().await), (1, 1));
    });
}
