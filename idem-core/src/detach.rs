//! Work that its caller polls, and that ends although the caller goes.
//!
//! A task of its own would cost such work a spawn and two wake-ups, each of which may go to another
//! thread. So a task takes it over only if the caller is dropped before the end.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, CatchUnwind, Fuse, FusedFuture};
use tokio::runtime::Handle;
use tokio::task::coop::poll_proceed;

/// Polls a future, and has a task go on with it when it is dropped before its end.
///
/// The output is `Err` if the future panicked; as with a task, the panic goes no further. Between two
/// polls the work stands still, its time limits too.
///
/// It yields from time to time although its work never waits. Else a caller that repeats it in a loop
/// would keep its thread, and what it waits for may be a task that only that thread runs.
///
/// # Cancellation
///
/// Safe to drop: nothing is dropped half-way. A runtime that shuts down drops its tasks, and this
/// future's with them.
#[must_use = "it does nothing unless polled or dropped"]
pub struct DetachOnDrop<T: Send + 'static> {
    work: Fuse<CatchUnwind<AssertUnwindSafe<BoxFuture<'static, T>>>>,
    runtime: Handle,
}

impl<T: Send + 'static> DetachOnDrop<T> {
    /// Takes the work. The task, if there will be one, runs on the current runtime.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(work: impl Future<Output = T> + Send + 'static) -> Self {
        let work: BoxFuture<'static, T> = Box::pin(work);
        Self {
            work: AssertUnwindSafe(work).catch_unwind().fuse(),
            runtime: Handle::current(),
        }
    }
}

impl<T: Send + 'static> Future for DetachOnDrop<T> {
    type Output = Result<T, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let turn = ready!(poll_proceed(cx));
        let polled = self.work.poll_unpin(cx);
        if polled.is_ready() {
            turn.made_progress();
        }
        polled
    }
}

impl<T: Send + 'static> Drop for DetachOnDrop<T> {
    fn drop(&mut self) {
        if !self.work.is_terminated() {
            let work = mem::replace(&mut self.work, Fuse::terminated());
            self.runtime.spawn(work);
        }
    }
}

impl<T: Send + 'static> fmt::Debug for DetachOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DetachOnDrop").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::poll;
    use tokio::sync::oneshot;

    use super::*;

    /// Work that waits for a word, and passes it on.
    fn work() -> (oneshot::Sender<u8>, DetachOnDrop<()>, oneshot::Receiver<u8>) {
        let (say, said) = oneshot::channel();
        let (pass, passed) = oneshot::channel();
        let work = DetachOnDrop::new(async move {
            if let Ok(word) = said.await {
                pass.send(word).unwrap();
            }
        });
        (say, work, passed)
    }

    #[tokio::test]
    async fn a_caller_that_stays_runs_the_work_itself() {
        let (say, work, passed) = work();
        let tasks = Handle::current().metrics().num_alive_tasks();
        let mut work = pin!(work);
        assert!(poll!(&mut work).is_pending());
        say.send(1).unwrap();
        work.await.unwrap();
        assert_eq!(passed.await, Ok(1));
        assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);
    }

    #[tokio::test]
    async fn work_that_was_dropped_half_way_ends_on_a_task() {
        let (say, mut work, passed) = work();
        assert!(poll!(&mut work).is_pending());
        drop(work);
        say.send(2).unwrap();
        assert_eq!(passed.await, Ok(2));
    }

    #[tokio::test]
    async fn a_loop_of_work_that_never_waits_lets_other_tasks_run() {
        let other = tokio::spawn(async {});
        for _ in 0..1_000 {
            DetachOnDrop::new(async {}).await.unwrap();
        }
        assert!(other.is_finished());
    }

    #[tokio::test]
    async fn a_panic_goes_no_further() {
        let work = DetachOnDrop::new(async { panic!("planted") });
        let panic: Result<(), _> = work.await;
        assert_eq!(panic.unwrap_err().downcast_ref(), Some(&"planted"));
    }

    #[test]
    fn without_its_runtime_the_work_is_dropped() {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        let (_say, work, passed) = runtime.block_on(async { work() });
        drop(runtime);
        drop(work);
        let passed = passed.now_or_never();
        assert!(matches!(passed, Some(Err(_))));
    }
}
