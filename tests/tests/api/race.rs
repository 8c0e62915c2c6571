//! Many requests at once.

use idem_tests::http::{Answer, Attempt};
use tokio::task::JoinSet;

use super::app::App;

/// Sends all of them at once, and returns their answers.
pub async fn at_once(app: &App, attempts: impl IntoIterator<Item = Attempt>) -> Vec<Answer> {
    let address = app.address();
    let mut sent = JoinSet::new();
    for attempt in attempts {
        sent.spawn(async move { attempt.send_to(address).await.unwrap() });
    }
    sent.join_all().await
}

/// Sends it 20 times at once with one key: one runs, and each other is a replay of it or told to wait.
pub async fn one_of_duplicates_takes_effect(app: &App, attempt: Attempt, status: u16) {
    let answers = at_once(app, vec![attempt.key("same"); 20]).await;
    let (done, waits): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == status);
    let ran = done.iter().filter(|answer| !answer.is_replay());
    assert_eq!(ran.count(), 1, "{answers:?}");
    for answer in waits {
        assert_eq!(answer.status, 409, "{answer:?}");
        assert!(answer.header("retry-after").is_some(), "{answer:?}");
    }
}
