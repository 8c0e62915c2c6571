//! Dead letters: listed, handed back to their consumer, forgotten.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::{Inbox, MessageBytes};
use crate::attempt::commit::commit;
use crate::attempt::session::{END_LIMIT, Effects, Session};
use crate::error::claim_error;
use crate::node::Node;
use crate::store::{Backend, NewRecord, Opening, StoredDeadLetter};
use crate::{Completion, Error, Fingerprint, IdempotencyKey, Operation, Policy, RecordName, Scope};

/// A message that has failed too often, as it was parked.
#[derive(Clone)]
#[non_exhaustive]
pub struct DeadLetter {
    id: i64,
    name: RecordName,
    /// The id that the broker delivered it with; other bytes than text are shown as `\u{fffd}`.
    pub message_id: String,
    /// How many attempts have failed; after a re-drive, since then.
    pub attempts: u32,
    /// What the last one failed with; none where each has ended with its worker.
    pub error: Option<String>,
    /// Where the payload is found, if the consumer has said so.
    pub reference: Option<String>,
    /// The payload, if the consumer has given it and the database could keep it.
    pub payload: Option<Vec<u8>>,
    /// When it was parked, by the database's clock.
    pub parked_at: SystemTime,
    /// When it was last [handed back](Inbox::redrive), if it has not been parked again since.
    pub redriven_at: Option<SystemTime>,
}

impl DeadLetter {
    /// Whose message it is.
    pub fn scope(&self) -> &Scope {
        &self.name.scope
    }
}

impl<DB: Backend> Inbox<DB> {
    /// The consumer's dead letters, the oldest first: at most `limit`, those behind `after`.
    ///
    /// A letter stays here until its message is handled or it is [discarded](Self::discard);
    /// neither the retention nor a sweep takes it away.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]. A name that no consumer can have has no letters.
    pub async fn dead_letters(
        &self,
        consumer: &str,
        after: Option<&DeadLetter>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.list(consumer, None, after, limit).await
    }

    /// The consumer's dead letter of a message, the latest if there are several.
    ///
    /// # Errors
    ///
    /// As [`dead_letters`](Self::dead_letters).
    pub async fn dead_letter<'m>(
        &self,
        consumer: &str,
        message_id: impl Into<MessageBytes<'m>>,
    ) -> Result<Option<DeadLetter>, Error> {
        let mut last: Option<DeadLetter> = None;
        let MessageBytes(id) = message_id.into();
        while let Some(letter) = self
            .list(consumer, Some(&id), last.as_ref(), 1)
            .await?
            .pop()
        {
            last = Some(letter);
        }
        Ok(last)
    }

    async fn list(
        &self,
        consumer: &str,
        message_id: Option<&[u8]>,
        after: Option<&DeadLetter>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        let Ok(operation) = Operation::of_consumer(consumer) else {
            return Ok(Vec::new());
        };
        let (name, after) = (operation.as_str(), after.map_or(0, |letter| letter.id));
        let connections = &self.idempotency().node().connections;
        let mut conn = connections.for_reading(Instant::now() + LIMIT).await?;
        let found =
            DB::list_dead_letters(&mut conn.conn, name, message_id, after, limit.into()).await;
        let found = conn.settle(found).map_err(claim_error::<DB>)?.into_iter();
        Ok(found
            .map(|letter| DeadLetter::of(letter, &operation))
            .collect())
    }

    /// Lets the message of a dead letter be handled again: no record is in its way any more, and
    /// its attempts are counted anew. `false`: the letter is not there any more.
    ///
    /// Hand the message to its consumer afterwards, with the id it had. Until it has been handled
    /// the letter stays listed, so a crash in between loses nothing: re-drive it again. Handled
    /// twice it is not, however often it is handed over.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::TryAgain`], [`Error::TimedOut`]; nothing has changed.
    /// [`Error::OutcomeUnknown`]: whether it has changed is not known; look the letter up.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; it may take effect all the same.
    pub async fn redrive(&self, letter: &DeadLetter) -> Result<bool, Error> {
        let (name, id) = (letter.name.clone(), letter.id);
        self.alone(move |session| {
            Box::pin(async move {
                let redriven = DB::redrive(session.conn(), &name, id, Completion::PARKED).await;
                redriven.map_err(claim_error::<DB>)
            })
        })
        .await
    }

    /// Forgets a dead letter. Its message is not handled, whenever the broker delivers it again
    /// within the retention, even if the letter was [handed back](Self::redrive) before. `false`:
    /// the letter is not there any more.
    ///
    /// # Errors
    ///
    /// As [`redrive`](Self::redrive).
    ///
    /// # Cancellation
    ///
    /// As [`redrive`](Self::redrive).
    pub async fn discard(&self, letter: &DeadLetter) -> Result<bool, Error> {
        let (name, id) = (letter.name.clone(), letter.id);
        let ttl = self.policy(&name.operation).retention;
        self.alone(move |session| {
            Box::pin(async move {
                // Whatever stands there in its place keeps the message from being handled too. In
                // the order of an attempt, so that neither waits for the other.
                let record = NewRecord {
                    name: &name,
                    attempt: Uuid::new_v4(),
                    fingerprint: &Fingerprint::none(),
                    completion: &Completion::parked(),
                    ttl,
                };
                session.insert(&record).await?;
                let discarded = DB::discard(session.conn(), id).await;
                discarded.map_err(claim_error::<DB>)
            })
        })
        .await
    }

    /// Runs statements in a transaction and on a task of their own.
    async fn alone<F>(&self, statements: F) -> Result<bool, Error>
    where
        F: for<'c> FnOnce(&'c mut Session<DB>) -> BoxFuture<'c, Result<bool, Error>>
            + Send
            + 'static,
    {
        let node = Arc::clone(self.idempotency().node());
        let running = tokio::spawn(async move {
            let _running = node.running_token();
            let until = Instant::now() + LIMIT;
            let written = timeout_at(until, write(&node, statements, until)).await;
            let Some(session) = written.unwrap_or(Err(Error::TimedOut))? else {
                return Ok(false);
            };
            commit(&node.connections, session, None, until).await?;
            Ok(true)
        });
        running.await.unwrap_or(Err(Error::OutcomeUnknown))
    }
}

/// Leaves a transaction to be committed; `None` where the statements have changed nothing.
async fn write<DB: Backend>(
    node: &Node<DB>,
    statements: impl for<'c> FnOnce(&'c mut Session<DB>) -> BoxFuture<'c, Result<bool, Error>>,
    until: Instant,
) -> Result<Option<Session<DB>>, Error> {
    let policy = Policy::default();
    let opening = Opening::new(None, Uuid::new_v4(), &policy);
    let (mut session, _) = Session::open(&node.connections, &opening, until).await?;
    if !statements(&mut session).await? {
        session.roll_back(END_LIMIT).await;
        return Ok(None);
    }
    session.leave_guard(Effects::Keep).await?;
    Ok(Some(session))
}

/// How long an operator's statement may take, waiting included.
const LIMIT: Duration = Duration::from_secs(10);

impl DeadLetter {
    fn of(letter: StoredDeadLetter, operation: &Operation) -> Self {
        Self {
            id: letter.id,
            name: RecordName {
                scope: Scope::stored(letter.scope),
                operation: operation.clone(),
                key: IdempotencyKey::stored(letter.key),
            },
            message_id: String::from_utf8_lossy(&letter.message_id).into_owned(),
            attempts: u32::try_from(letter.attempts).unwrap_or(0),
            error: letter.error,
            reference: letter.reference,
            payload: letter.payload,
            parked_at: at(letter.parked_at),
            redriven_at: letter.redriven_at.map(at),
        }
    }
}

fn at(milliseconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds.unsigned_abs())
}

/// A payload may be anybody's: `Debug` shows how long it is.
impl fmt::Debug for DeadLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeadLetter")
            .field("name", &self.name)
            .field("attempts", &self.attempts)
            .field("payload", &self.payload.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}
