//! When each request is due, and what its client does: fixed before the first one is sent.

use std::time::Duration;

/// So many requests per second, first to warm up and then to be measured. Times count from its beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Schedule {
    pub(crate) per_second: u32,
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
}

/// What the client of a request does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Behaviour {
    /// It sends a key of its own.
    Pays,
    /// It sends a key that has been answered, if there is one.
    Retries,
    /// It sends a key of its own twice at once, to two nodes if there are two.
    SendsTwice,
    /// It closes the connection so much later, and sends its key to the next node.
    HangsUp(Duration),
}

impl Schedule {
    /// When the request with this number is due, unless the schedule ends before.
    pub(super) fn due(&self, number: u32) -> Option<Duration> {
        let due = Duration::from_secs(1) * number / self.per_second;
        (due < self.end()).then_some(due)
    }

    pub(crate) fn end(&self) -> Duration {
        self.warm_up + self.time
    }

    /// Whether what happens then is measured.
    pub(super) fn is_measured(&self, at: Duration) -> bool {
        (self.warm_up..self.end()).contains(&at)
    }
}

/// Of a hundred requests 70 pay, 15 retry, 10 are sent twice and 5 hang up.
pub(super) fn behaviour(number: u32) -> Behaviour {
    // Spread, so that neighbours differ.
    match u64::from(number) * 37 % 100 {
        0..70 => Behaviour::Pays,
        70..85 => Behaviour::Retries,
        85..95 => Behaviour::SendsTwice,
        _ => {
            let later = u64::from(number) * 97 % LATEST_HANG_UP_MICROS;
            Behaviour::HangsUp(Duration::from_micros(later))
        }
    }
}

/// Most attempts take less or about as long on an idle server.
const LATEST_HANG_UP_MICROS: u64 = 5_000;

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEDULE: Schedule = Schedule {
        per_second: 300,
        warm_up: Duration::from_secs(1),
        time: Duration::from_secs(20),
    };

    #[test]
    fn requests_are_due_at_an_even_rate_however_long_it_lasts() {
        let due = |number| SCHEDULE.due(number).unwrap();
        assert_eq!(due(0), Duration::ZERO);
        assert_eq!(due(1), Duration::from_nanos(3_333_333));
        for second in 0..21 {
            assert_eq!(due(second * 300), Duration::from_secs(second.into()));
        }
    }

    #[test]
    fn the_schedule_ends_after_warm_up_and_time() {
        let due = (0..).map_while(|number| SCHEDULE.due(number));
        assert_eq!(due.clone().count(), 21 * 300);
        let measured = due.filter(|due| SCHEDULE.is_measured(*due));
        assert_eq!(measured.count(), 20 * 300);
        assert!(!SCHEDULE.is_measured(SCHEDULE.end()));
    }

    #[test]
    fn every_hundred_requests_have_the_same_mix() {
        for hundred in [0, 7, 99_000] {
            let numbers = hundred * 100..(hundred + 1) * 100;
            let count = |is: fn(&Behaviour) -> bool| {
                let all = numbers.clone().map(behaviour);
                all.filter(is).count()
            };
            assert_eq!(count(|one| *one == Behaviour::Pays), 70);
            assert_eq!(count(|one| *one == Behaviour::Retries), 15);
            assert_eq!(count(|one| *one == Behaviour::SendsTwice), 10);
            assert_eq!(count(|one| matches!(one, Behaviour::HangsUp(_))), 5);
        }
    }
}
