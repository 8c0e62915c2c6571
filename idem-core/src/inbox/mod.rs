//! Messages handled once: the record of a message commits with the effect of handling it.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::store::Backend;
use crate::{Idempotency, InvalidOperation, Operation, Tx, metrics};

mod attempt;
mod batch;
mod context;
mod dead_letters;
mod delivery;
mod failure;
mod message;
mod outcome;
mod policy;

pub use batch::{Batch, BatchMessage, MessageOutcome};
pub use dead_letters::DeadLetter;
pub use message::{Message, MessageBytes};
pub use outcome::{Failure, ProcessError, Processed, Settlement};
pub use policy::ConsumerPolicy;

/// Handles each message once per consumer.
///
/// Brokers deliver at least once: again after a crash, a lost acknowledgement, a rebalance, a
/// replay of dead letters. Here the record of a handled message commits in one transaction with
/// what handling it has written, so that every later delivery of it is told from the first.
/// Acknowledge a message when [`process`](Self::process) says so, and not before.
///
/// A message is known by its consumer, its scope and its id. Two consumers handle it once each,
/// and no consumer shares a record with an HTTP operation.
///
/// Cheap to clone; clones share everything.
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
///     Settlement::Ack => { /* acknowledge it */ }
///     Settlement::Retry { after } => { /* ask for it again, after that time */ }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Inbox<DB: Backend>(Arc<Inner<DB>>);

struct Inner<DB: Backend> {
    idem: Idempotency<DB>,
    consumers: HashMap<Operation, ConsumerPolicy>,
}

/// Builds an [`Inbox`].
#[derive(Debug)]
pub struct InboxBuilder<DB: Backend> {
    idem: Idempotency<DB>,
    consumers: Vec<(Box<str>, ConsumerPolicy)>,
}

impl<DB: Backend> Inbox<DB> {
    /// An inbox whose consumers all have the default [`ConsumerPolicy`].
    pub fn new(idem: Idempotency<DB>) -> Self {
        let consumers = HashMap::new();
        Self(Arc::new(Inner { idem, consumers }))
    }

    /// An inbox with terms for each consumer.
    pub fn builder(idem: Idempotency<DB>) -> InboxBuilder<DB> {
        let consumers = Vec::new();
        InboxBuilder { idem, consumers }
    }

    /// Handles the message, unless it has been handled or is being handled.
    ///
    /// What `handle` writes through its [`Tx`] commits together with the message's record, or
    /// is rolled back. Write the closure as `async |tx| …`, and lend its connection as
    /// `&mut **tx`. It is called at most once; another delivery of the message is the retry.
    ///
    /// An error, a panic and the policy's timeout roll everything back and are counted, in a
    /// transaction of their own. With the last attempt that the policy allows the message is
    /// parked: see [`dead_letters`](Self::dead_letters). A message that the broker says it has
    /// [delivered before](Message::delivery) is counted before it is handled, since what makes
    /// the process crash leaves nobody to count afterwards.
    ///
    /// # Errors
    ///
    /// [`ProcessError`]; each says whether the message has been counted or parked. In doubt, ask
    /// [`Settlement::of`] what to tell the broker.
    ///
    /// # Cancellation
    ///
    /// Safe to drop. Before and within the closure it rolls back, and the attempt is not counted,
    /// except that of a redelivered message, which was counted before it ran; while the effect is
    /// being committed the commit goes on, and the next delivery is told which it was.
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
        metrics::count(&metrics::DELIVERIES, &[consumer, outcome], 1);
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

    /// The handle that records and effects share.
    pub fn idempotency(&self) -> &Idempotency<DB> {
        &self.0.idem
    }

    fn policy(&self, operation: &Operation) -> ConsumerPolicy {
        self.0.consumers.get(operation).copied().unwrap_or_default()
    }
}

impl<DB: Backend> InboxBuilder<DB> {
    /// The terms of a consumer; others have the default ones.
    #[must_use]
    pub fn consumer(mut self, name: &str, policy: ConsumerPolicy) -> Self {
        self.consumers.push((name.into(), policy));
        self
    }

    /// The inbox. Warns of consumers whose records do not outlive their broker's redelivery.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`] for a name that is empty, over 249 bytes, or has a control character.
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
