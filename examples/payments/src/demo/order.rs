//! What clients want paid, and what goes wrong with each payment.

use std::time::Duration;

use uuid::Uuid;

/// All payments of one run.
pub(super) struct Orders {
    /// No other run has references that begin so.
    pub(super) prefix: String,
    /// What clients pay one after the other.
    pub(super) usual: Vec<Order>,
    /// One for each kill, so that an attempt runs then, whatever the others do.
    pub(super) killed: Vec<Order>,
}

/// A payment, whose reference is its key.
pub(super) struct Order {
    pub(super) key: String,
    pub(super) amount: i64,
    pub(super) source: &'static str,
    number: u32,
}

impl Orders {
    /// # Errors
    ///
    /// There are more kills than payments.
    pub(super) fn new(payments: u32, kills: u32) -> Result<Self, String> {
        let Some(usual) = payments.checked_sub(kills) else {
            return Err(format!(
                "{kills} kills need as many payments, not {payments}"
            ));
        };
        let run = Uuid::new_v4().simple().to_string();
        let prefix = format!("demo-{}-", run.get(..8).unwrap_or(&run));
        let order = |number, source| Order {
            key: format!("{prefix}{number}"),
            amount: i64::from(number) + 100,
            source,
            number,
        };
        let usual_orders = (0..usual).map(|number| order(number, "tok_slow_20"));
        let killed = (usual..payments).map(|number| order(number, "tok_slow_200"));
        Ok(Self {
            usual: usual_orders.collect(),
            killed: killed.collect(),
            prefix,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.usual.len() + self.killed.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        let all = self.usual.iter().chain(&self.killed);
        all.map(|order| order.key.as_str())
    }
}

/// By number, so that each run has some of each.
impl Order {
    /// When the client drops the connection of its first request, if it does.
    pub(super) fn hangs_up_after(&self) -> Option<Duration> {
        let time = Duration::from_millis(u64::from(1 + self.number % 30));
        (self.number % 4 == 1).then_some(time)
    }

    /// How many clients send the same request at the same moment.
    pub(super) fn copies(&self) -> usize {
        match self.number % 5 {
            2 => 2,
            4 => 3,
            _ => 1,
        }
    }

    /// Whether it is sent again though it is known to be paid.
    pub(super) fn is_repeated(&self) -> bool {
        self.number.is_multiple_of(3)
    }

    /// Whether it is sent again with another amount.
    pub(super) fn is_changed(&self) -> bool {
        self.number % 10 == 5
    }
}
