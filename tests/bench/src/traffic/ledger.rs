//! What clients were told of each key, and whether what is stored agrees.

use std::collections::{BTreeMap, HashMap};

use crate::keys;

/// The keys that were sent.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    keys: BTreeMap<u64, Told>,
    /// Those that can be sent again.
    answered: Vec<u64>,
}

/// What clients were told of one key.
#[derive(Debug, Default)]
struct Told {
    payment: Option<i64>,
    /// How often it was answered by an attempt that ran, and not by a replay.
    runs: usize,
    /// The first answer that contradicts another one, or itself.
    contradiction: Option<String>,
}

impl Ledger {
    /// Writes down a key before it is sent.
    pub(super) fn send(&mut self, key: u64) {
        self.keys.entry(key).or_default();
    }

    /// Writes down an answer that names the key's payment. Says whether it is the first one.
    pub(super) fn paid(&mut self, key: u64, payment: i64, is_replay: bool) -> bool {
        let told = self.keys.entry(key).or_default();
        told.runs += usize::from(!is_replay);
        match told.payment {
            None => {
                told.payment = Some(payment);
                self.answered.push(key);
                return true;
            }
            Some(before) if before != payment => {
                let both = format!("clients were told of the payments {before} and {payment}");
                told.contradiction.get_or_insert(both);
            }
            Some(_) => {}
        }
        false
    }

    /// Writes down an answer that no client may get.
    pub(super) fn contradict(&mut self, key: u64, answer: String) {
        let told = self.keys.entry(key).or_default();
        told.contradiction.get_or_insert(answer);
    }

    /// One of the answered keys.
    pub(super) fn answered(&self, any: usize) -> Option<u64> {
        let place = any.checked_rem(self.answered.len())?;
        self.answered.get(place).copied()
    }

    pub(crate) fn keys(&self) -> usize {
        self.keys.len()
    }

    /// How many keys no client was told a payment of.
    pub(crate) fn unanswered(&self) -> usize {
        self.keys.len() - self.answered.len()
    }

    /// Compares with all payments that are stored, by id and reference. At most one violation for each key.
    ///
    /// A key is paid at most once. If a client was told a payment, it is the one that is stored, and every answer
    /// named it.
    pub(crate) fn violations(
        &self,
        stored: impl IntoIterator<Item = (i64, String)>,
    ) -> Vec<String> {
        let mut violations = Vec::new();
        let mut payments: HashMap<u64, Vec<i64>> = HashMap::new();
        for (id, reference) in stored {
            match keys::number_of(&reference).filter(|key| self.keys.contains_key(key)) {
                Some(key) => payments.entry(key).or_default().push(id),
                None => violations.push(format!("payment {id} belongs to no key that was sent")),
            }
        }
        for (key, told) in &self.keys {
            let stored = payments.get(key).map_or(&[][..], Vec::as_slice);
            let violation = told.violation(stored);
            violations
                .extend(violation.map(|what| format!("key {}: {what}", keys::numbered(*key))));
        }
        violations
    }
}

impl Told {
    fn violation(&self, stored: &[i64]) -> Option<String> {
        if stored.len() > 1 {
            return Some(format!("it was paid {} times: {stored:?}", stored.len()));
        }
        if let Some(payment) = self.payment.filter(|payment| !stored.contains(payment)) {
            return Some(format!(
                "payment {payment} was acknowledged and is not stored"
            ));
        }
        if self.contradiction.is_some() {
            return self.contradiction.clone();
        }
        (self.runs > 1).then(|| format!("{} answers were not replays", self.runs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found if one key was answered like this, with a payment and whether it is a replay, and these
    /// payments are stored for it.
    fn found(answers: &[(i64, bool)], stored: &[i64]) -> Vec<String> {
        let mut ledger = Ledger::default();
        ledger.send(3);
        for (payment, is_replay) in answers {
            ledger.paid(3, *payment, *is_replay);
        }
        ledger.violations(stored.iter().map(|id| (*id, keys::numbered(3))))
    }

    fn key_is(what: &str) -> Vec<String> {
        vec![format!("key {}: {what}", keys::numbered(3))]
    }

    #[test]
    fn a_key_that_is_paid_once_is_no_violation() {
        let none = Vec::<String>::new();
        assert_eq!(found(&[(7, false)], &[7]), none);
        assert_eq!(found(&[(7, false), (7, true), (7, true)], &[7]), none);
        // The first answer was lost, or came after that of a duplicate.
        assert_eq!(found(&[(7, true)], &[7]), none);
        assert_eq!(found(&[(7, true), (7, false)], &[7]), none);
    }

    #[test]
    fn a_key_without_an_answer_is_paid_at_most_once() {
        assert_eq!(found(&[], &[]), Vec::<String>::new());
        assert_eq!(found(&[], &[7]), Vec::<String>::new());
        let twice = key_is("it was paid 2 times: [7, 8]");
        assert_eq!(found(&[], &[7, 8]), twice);
    }

    #[test]
    fn a_second_payment_is_found_in_the_database_though_every_answer_names_the_first() {
        let twice = key_is("it was paid 2 times: [7, 8]");
        assert_eq!(found(&[(7, false), (7, true)], &[7, 8]), twice);
    }

    #[test]
    fn an_acknowledged_payment_that_is_not_stored_is_found() {
        let lost = key_is("payment 7 was acknowledged and is not stored");
        assert_eq!(found(&[(7, false)], &[]), lost);
        assert_eq!(found(&[(7, false)], &[8]), lost);
    }

    #[test]
    fn answers_that_contradict_each_other_are_found() {
        let both = key_is("clients were told of the payments 7 and 8");
        assert_eq!(found(&[(7, false), (8, true)], &[7]), both);
        let runs = key_is("2 answers were not replays");
        assert_eq!(found(&[(7, false), (7, false)], &[7]), runs);
        let mut ledger = Ledger::default();
        ledger.contradict(3, "500".to_owned());
        assert_eq!(ledger.violations([]), key_is("500"));
    }

    #[test]
    fn a_payment_that_nobody_asked_for_is_found() {
        let mut ledger = Ledger::default();
        ledger.send(3);
        let stored = [(7, keys::numbered(4)), (8, "order 17".to_owned())];
        let found = ledger.violations(stored);
        let expected = [7, 8].map(|id| format!("payment {id} belongs to no key that was sent"));
        assert_eq!(found, expected);
    }

    #[test]
    fn keys_are_counted_once_and_sent_again_only_when_they_are_answered() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.answered(0), None);
        for key in [3, 4, 3] {
            ledger.send(key);
        }
        assert_eq!((ledger.keys(), ledger.unanswered()), (2, 2));
        assert!(ledger.paid(4, 7, false));
        assert!(!ledger.paid(4, 7, true));
        assert_eq!((ledger.keys(), ledger.unanswered()), (2, 1));
        assert_eq!(ledger.answered(usize::MAX), Some(4));
    }
}
