//! What is compared: sides that do the same work, and take their turns in the same rounds.

use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::options::Plan;
use crate::turn::Turn;

/// A server of the measured handler.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Node {
    /// No protection.
    Bare,
    /// What one writes without a library.
    ByHand,
    Idem,
    /// Idem with a memory of its completions.
    Remembering,
    /// Idem that only observes.
    Observing,
    /// Idem that is turned off.
    Off,
}

/// Several sides of one comparison. The first ones are those that the others are compared with.
pub(crate) struct Sides {
    pub(crate) what: String,
    pub(crate) references: usize,
    pub(crate) sides: Vec<Side>,
}

/// One of them: what to call it, and its work for a while with so many workers at once.
pub(crate) struct Side {
    pub(crate) name: &'static str,
    turn: Box<Work>,
}

type Work = dyn Fn(usize, Duration) -> BoxFuture<'static, Turn> + Send + Sync;

/// One turn of each side, in the order of the sides.
pub(crate) type Round = Vec<Turn>;

impl Side {
    pub(crate) fn new<F>(
        name: &'static str,
        turn: impl Fn(usize, Duration) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Turn> + Send + 'static,
    {
        let turn = Box::new(move |at_once, length| -> BoxFuture<'static, Turn> {
            Box::pin(turn(at_once, length))
        });
        Self { name, turn }
    }
}

impl Sides {
    /// Measures each side in each round, after a turn of warm-up.
    pub(crate) async fn rounds(&self, at_once: usize, plan: &Plan) -> Vec<Round> {
        for side in &self.sides {
            (side.turn)(at_once, plan.turn).await;
        }
        let mut rounds = Vec::new();
        for round in 0..plan.rounds {
            let mut turns = Vec::new();
            for side in order(self.sides.len(), round) {
                let turn = (self.sides[side].turn)(at_once, plan.turn).await;
                turns.push((side, turn));
            }
            turns.sort_by_key(|(side, _)| *side);
            rounds.push(turns.into_iter().map(|(_, turn)| turn).collect());
        }
        rounds
    }
}

/// The order of a round: each side is the first one in turn, and has either neighbour before it.
fn order(sides: usize, round: usize) -> Vec<usize> {
    let mut order: Vec<_> = (0..sides).collect();
    order.rotate_left(round / 2 % sides);
    if round % 2 == 1 {
        order.reverse();
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_side_takes_its_turn_at_each_place() {
        let first: Vec<_> = (0..6).map(|round| order(3, round)[0]).collect();
        assert_eq!(first, [0, 2, 1, 0, 2, 1]);
    }
}
