//! The loop: sends a request until an answer is final, or a limit is reached.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::time::{Instant, sleep, timeout};

use super::Limits;
use super::answer::Answer;
use super::error::Failure;
use super::rules::{self, Verdict};

/// How the tries of a request ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// The final answer, or the last failure.
    pub(super) last: Result<Answer, Failure>,
    /// How many times the request was sent.
    pub(super) tries: usize,
    /// Whether an earlier try may have taken effect.
    pub(super) is_open: bool,
}

/// Sends until an answer is final, or a limit is reached. A pause that would end after the time limit is not begun.
pub(super) async fn repeat<F>(limits: &Limits, mut send: impl FnMut() -> F) -> Ended
where
    F: Future<Output = Result<Answer, Failure>>,
{
    // None: a time that no clock reaches.
    let deadline = Instant::now().checked_add(limits.total);
    let left = || {
        deadline.map_or(Duration::MAX, |deadline| {
            deadline.saturating_duration_since(Instant::now())
        })
    };
    let mut pauses = ExponentialBuilder::new()
        .with_min_delay(limits.first_pause)
        .with_max_delay(limits.longest_pause)
        .with_max_times(limits.tries.saturating_sub(1))
        .with_jitter()
        .build();
    let (mut tries, mut is_open) = (0, false);
    loop {
        tries += 1;
        let tried = timeout(limits.one_try.min(left()), send()).await;
        let last = tried.unwrap_or(Err(Failure::TimedOut));
        let Verdict::Retry(after) = rules::judge(&last) else {
            return Ended {
                last,
                tries,
                is_open,
            };
        };
        let last = last.and_then(|answer| Err(Failure::Answered(answer.status())));
        // The sum and not the longer one: the same `Retry-After` may have gone to many clients.
        let pause = pauses.next().map(|pause| pause.saturating_add(after));
        let Some(pause) = pause.filter(|pause| *pause < left()) else {
            return Ended {
                last,
                tries,
                is_open,
            };
        };
        is_open |= !is_unconnected(&last);
        tracing::debug!(tries, ?pause, ?last, "a request is sent again");
        sleep(pause).await;
    }
}

/// Whether the request cannot have reached the server.
fn is_unconnected(last: &Result<Answer, Failure>) -> bool {
    matches!(last, Err(Failure::Network(error)) if error.is_connect())
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::future::{pending, ready};

    use futures_util::future::Either;

    use super::super::scripted::{answer, problem};
    use super::*;

    /// Each try gets the next answer, and none when they are used up. Says when each try began.
    async fn send(limits: &Limits, answers: Vec<Answer>) -> (Ended, Vec<Duration>) {
        let (start, mut began) = (Instant::now(), Vec::new());
        let mut answers = VecDeque::from(answers);
        let ended = repeat(limits, || {
            began.push(start.elapsed());
            match answers.pop_front() {
                Some(answer) => Either::Left(ready(Ok(answer))),
                None => Either::Right(pending()),
            }
        });
        (ended.await, began)
    }

    fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[tokio::test(start_paused = true)]
    async fn a_final_answer_ends_at_once() {
        let (ended, _) = send(&Limits::default(), vec![answer(201, &[], "")]).await;
        assert_eq!(ended.last.unwrap().status(), 201);
        assert_eq!((ended.tries, ended.is_open), (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_double_up_to_the_longest_and_jitter_adds_up_to_as_much() {
        let limits = Limits {
            tries: 6,
            first_pause: ms(100),
            longest_pause: ms(400),
            ..Limits::default()
        };
        let mut are_spread = false;
        for _ in 0..50 {
            let (ended, began) = send(&limits, vec![answer(503, &[], ""); 9]).await;
            assert_eq!((ended.tries, ended.is_open), (6, true));
            assert!(matches!(ended.last, Err(Failure::Answered(status)) if status == 503));
            let pauses = began.windows(2).map(|pair| pair[1] - pair[0]);
            for (pause, shortest) in pauses.zip([100, 200, 400, 400, 400]) {
                // Tokio's clock has whole milliseconds.
                assert!(
                    (ms(shortest)..=ms(2 * shortest + 1)).contains(&pause),
                    "{began:?}"
                );
                are_spread |= pause > ms(shortest + shortest / 2);
            }
        }
        assert!(are_spread);
    }

    #[tokio::test(start_paused = true)]
    async fn no_try_comes_before_retry_after() {
        let answers = vec![
            problem(409, &[("retry-after", "7")], true),
            answer(201, &[], ""),
        ];
        let (ended, began) = send(&Limits::default(), answers).await;
        assert_eq!(ended.tries, 2);
        assert!((ms(7_200)..=ms(7_401)).contains(&began[1]), "{began:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_without_an_answer_ends_in_time_and_leaves_the_outcome_open() {
        let limits = Limits {
            tries: 2,
            one_try: ms(1_000),
            ..Limits::default()
        };
        let (ended, began) = send(&limits, Vec::new()).await;
        assert!(matches!(ended.last, Err(Failure::TimedOut)), "{ended:?}");
        assert_eq!((ended.tries, ended.is_open), (2, true));
        assert!((ms(1_200)..=ms(1_402)).contains(&began[1]), "{began:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn limits_without_an_end_are_kept_too() {
        let limits = Limits {
            tries: 2,
            total: Duration::MAX,
            one_try: Duration::MAX,
            longest_pause: Duration::MAX,
            ..Limits::default()
        };
        let answers = vec![answer(503, &[], ""), answer(201, &[], "")];
        let (ended, _) = send(&limits, answers).await;
        assert_eq!(
            (ended.last.unwrap().status().as_u16(), ended.tries),
            (201, 2)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn the_total_time_bounds_tries_and_pauses() {
        let limits = Limits {
            tries: usize::MAX,
            one_try: ms(700),
            total: ms(5_000),
            ..Limits::default()
        };
        let start = Instant::now();
        let (ended, _) = send(&limits, Vec::new()).await;
        assert!(matches!(ended.last, Err(Failure::TimedOut)), "{ended:?}");
        assert!(
            ended.tries > 2 && start.elapsed() <= ms(5_001),
            "{:?}",
            start.elapsed()
        );

        // An hour is not waited for.
        let start = Instant::now();
        let (ended, _) = send(&limits, vec![answer(503, &[("retry-after", "3600")], "")]).await;
        assert_eq!((ended.tries, start.elapsed()), (1, ms(0)));
    }
}
