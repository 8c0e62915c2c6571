//! The inbox: each message is handled once per consumer.
//!
//! A [`Message`] is a delivery with an id. `delivery` claims its record like that of a request;
//! `attempt` runs the handler and commits. A failed attempt is counted in `failure`, and the last
//! one that the [`ConsumerPolicy`] allows parks the message as one of the `dead_letters`. [`Settlement`] tells what to say to the broker. `batch` does the same
//! for all messages of one poll in a few transactions.
//!
//! A broker's acknowledgement and the database's COMMIT are two systems without a common
//! transaction. So the order is fixed: COMMIT, then acknowledge. A crash in between costs a
//! redelivery, which is a duplicate.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::metrics::LabelValue;
use crate::store::Backend;
use crate::{Idempotency, InvalidOperation, Operation, Tx, metrics};

mod attempt;
mod batch;
mod context;
mod dead_letters;
mod delivery;
mod failure;
mod message;
mod message_bytes;
mod outcome;
mod policy;

pub use batch::{Batch, BatchMessage, MessageOutcome};
pub use dead_letters::{DeadLetter, DeadLetterCount};
pub use message::Message;
pub use message_bytes::MessageBytes;
pub use outcome::{Failure, ProcessError, Processed, Settlement};
pub use policy::ConsumerPolicy;

/// Handles each message once per consumer.
///
/// Brokers deliver at least once: again after a crash, a lost acknowledgement, a rebalance, or a
/// replay of dead letters. Here the record of a message commits in one transaction with the
/// handler's writes, so that every later delivery is recognised as a duplicate. Acknowledge a
/// message after [`process`](Self::process) has returned, never before.
///
/// Consumer, scope and id identify a message. Two consumers handle it once each, and no consumer
/// shares a record with an HTTP operation.
///
/// Use [`process`](Self::process) for one message at a time, and
/// [`process_batch`](Self::process_batch) to handle the messages of one poll in few transactions.
///
/// An inbox is cheap to clone; clones share everything.
///
/// # Examples
///
/// ```no_run
/// # async fn consume(
/// #     idem: idem_core::Idempotency<sqlx::Sqlite>, id: &str, amount: i64,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// use idem_core::{Inbox, Settlement};
///
/// let inbox = Inbox::new(idem);
/// let done = inbox
///     .process("billing", id, async |tx| {
///         let insert = sqlx::query("insert into invoice (amount) values (?)");
///         insert.bind(amount).execute(&mut **tx).await
///     })
///     .await;
/// match Settlement::of(&done) {
///     Settlement::Ack => { /* acknowledge the message */ }
///     Settlement::Retry { after } => { /* ask for redelivery after this time */ }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Inbox<DB: Backend>(Arc<Inner<DB>>);

struct Inner<DB: Backend> {
    idem: Idempotency<DB>,
    consumers: HashMap<Operation, ConsumerPolicy>,
}

/// Builds an [`Inbox`] with a policy for each consumer.
///
/// # Examples
///
/// ```no_run
/// # fn build(
/// #     idem: idem_core::Idempotency<sqlx::Sqlite>,
/// # ) -> Result<(), idem_core::InvalidOperation> {
/// use std::time::Duration;
/// use idem_core::{ConsumerPolicy, Inbox};
///
/// const DAY: Duration = Duration::from_secs(24 * 3600);
///
/// let inbox = Inbox::builder(idem)
///     .consumer("billing", ConsumerPolicy::default().retention(30 * DAY).redelivery(14 * DAY))
///     .consumer("mail", ConsumerPolicy::default().max_attempts(2))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct InboxBuilder<DB: Backend> {
    idem: Idempotency<DB>,
    consumers: Vec<(Box<str>, ConsumerPolicy)>,
}

impl<DB: Backend> Inbox<DB> {
    /// Creates an inbox whose consumers all have the default [`ConsumerPolicy`].
    pub fn new(idem: Idempotency<DB>) -> Self {
        let consumers = HashMap::new();
        Self(Arc::new(Inner { idem, consumers }))
    }

    /// Begins an inbox with a policy for each consumer.
    pub fn builder(idem: Idempotency<DB>) -> InboxBuilder<DB> {
        let consumers = Vec::new();
        InboxBuilder { idem, consumers }
    }

    /// Handles the message, unless it has been handled or is being handled.
    ///
    /// The writes of `handle` through its [`Tx`] commit together with the message's record, or
    /// are rolled back. Write the closure as `async |tx| …`; its connection is `&mut **tx`. It is
    /// called at most once: the retry is another delivery of the message.
    ///
    /// An error, a panic and the policy's timeout roll everything back. They are counted in a
    /// separate transaction. After the last attempt that the policy allows, the message is parked:
    /// see [`dead_letters`](Self::dead_letters). A message that the broker has
    /// [delivered before](Message::delivery) is counted before it is handled: if handling it
    /// crashes the process, nobody can count it afterwards.
    ///
    /// # Errors
    ///
    /// [`ProcessError`], which says whether the message has been counted or parked.
    /// [`Settlement::of`] says for each what to tell the broker.
    ///
    /// # Cancellation
    ///
    /// Safe to drop. Before and during the closure this rolls back, and the attempt is not counted,
    /// except that of a redelivered message, which was counted before it ran. A commit that has
    /// begun goes on, and the next delivery finds its outcome.
    ///
    /// # Examples
    ///
    /// The second delivery of a message is a duplicate:
    ///
    /// ```
    /// # use idem_core::{Idempotency, Inbox};
    /// # use sqlx::sqlite::SqlitePoolOptions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # let idem = Idempotency::new(pool.clone());
    /// # idem.migrate().await?;
    /// use idem_core::Processed;
    ///
    /// sqlx::query("create table invoice (amount integer)").execute(&pool).await?;
    /// let inbox = Inbox::new(idem);
    /// for delivery in 1..=2 {
    ///     let processed = inbox
    ///         .process("billing", "8e03978e-40d5", async |tx| {
    ///             sqlx::query("insert into invoice values (5)").execute(&mut **tx).await?;
    ///             Ok::<_, sqlx::Error>("invoiced")
    ///         })
    ///         .await?;
    ///     match delivery {
    ///         1 => assert_eq!(processed, Processed::First("invoiced")),
    ///         _ => assert_eq!(processed, Processed::Duplicate),
    ///     }
    /// }
    /// let invoices: i64 =
    ///     sqlx::query_scalar("select count(*) from invoice").fetch_one(&pool).await?;
    /// assert_eq!(invoices, 1);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn process<'m, T, E, F>(
        &self,
        consumer: &str,
        message: impl Into<Message<'m>>,
        handle: F,
    ) -> Result<Processed<T>, ProcessError<E>>
    where
        F: AsyncFnOnce(&mut Tx<'_, DB>) -> Result<T, E>,
        E: fmt::Display,
    {
        let done = self
            .process_uncounted(consumer, message.into(), handle)
            .await;
        let outcome = match &done {
            Ok(processed) => processed.as_str(),
            Err(error) => error.as_str(),
        };
        metrics::count(
            &metrics::DELIVERIES,
            &[LabelValue::Text(consumer), outcome.into()],
            1,
        );
        done
    }

    async fn process_uncounted<T, E, F>(
        &self,
        consumer: &str,
        message: Message<'_>,
        handle: F,
    ) -> Result<Processed<T>, ProcessError<E>>
    where
        F: AsyncFnOnce(&mut Tx<'_, DB>) -> Result<T, E>,
        E: fmt::Display,
    {
        let operation = Operation::of_consumer(consumer)?;
        let delivery = self.delivery_to(&operation, &message);
        let delivery = delivery.ok_or(ProcessError::Unknowable("its id is empty"))?;
        let mut attempt = match delivery.claim().await? {
            Ok(attempt) => attempt,
            Err(told) => return Ok(told),
        };
        match attempt.run(handle).await {
            Ok(value) => attempt.complete(value).await,
            Err(failure) => Err(attempt.fail(failure).await),
        }
    }

    /// The handle whose pool the records and the handlers' writes share.
    pub fn idempotency(&self) -> &Idempotency<DB> {
        &self.0.idem
    }

    fn policy(&self, operation: &Operation) -> ConsumerPolicy {
        self.0.consumers.get(operation).copied().unwrap_or_default()
    }
}

impl<DB: Backend> InboxBuilder<DB> {
    /// Sets the policy of a consumer. Others have the default one.
    #[must_use]
    pub fn consumer(mut self, name: &str, policy: ConsumerPolicy) -> Self {
        self.consumers.push((name.into(), policy));
        self
    }

    /// Builds the inbox.
    ///
    /// It logs a warning for each consumer whose retention is shorter than its broker's
    /// [redelivery](ConsumerPolicy::redelivery).
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`] for a consumer's name that is empty, longer than 249 bytes, or contains
    /// a control character.
    pub fn build(self) -> Result<Inbox<DB>, InvalidOperation> {
        let mut consumers = HashMap::new();
        for (name, policy) in self.consumers {
            let policy = policy.within_bounds();
            policy.warn_of_short_retention(&name);
            consumers.insert(Operation::of_consumer(&name)?, policy);
        }
        let idem = self.idem;
        Ok(Inbox(Arc::new(Inner { idem, consumers })))
    }
}

impl<DB: Backend> Clone for Inbox<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Backend> fmt::Debug for Inbox<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("idem", &self.0.idem)
            .field("consumers", &self.0.consumers)
            .finish()
    }
}
