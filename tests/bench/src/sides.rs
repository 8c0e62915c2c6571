//! What is compared: sides that do the same work, and take their turns in the same rounds.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::nodes::Running;
use crate::options::Plan;
use crate::turn::{Length, Turn};

/// Several sides of one comparison. The first ones are those that the others are compared with.
pub(crate) struct Sides {
    pub(crate) what: String,
    pub(crate) references: usize,
    pub(crate) sides: Vec<Side>,
}

/// One of them.
pub(crate) struct Side {
    pub(crate) name: String,
    /// The server that it asks, if any.
    pub(crate) node: Option<Arc<Running>>,
    turn: Box<Work>,
}

/// The work of so many workers at once.
type Work = dyn Fn(usize, Length) -> BoxFuture<'static, Turn> + Send + Sync;

/// One turn of each side, in the order of the sides.
pub(crate) type Round = Vec<Turn>;

impl Side {
    pub(crate) fn new<F>(
        name: impl Into<String>,
        turn: impl Fn(usize, Length) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Turn> + Send + 'static,
    {
        let turn = Box::new(move |at_once, length| -> BoxFuture<'static, Turn> {
            Box::pin(turn(at_once, length))
        });
        Self {
            name: name.into(),
            node: None,
            turn,
        }
    }

    pub(crate) fn on(self, node: Arc<Running>) -> Self {
        let node = Some(node);
        Self { node, ..self }
    }

    pub(crate) async fn turn(&self, at_once: usize, length: Length) -> Turn {
        (self.turn)(at_once, length).await
    }
}

impl Sides {
    /// Measures each side in each round, after a turn of warm-up.
    pub(crate) async fn rounds(&self, at_once: usize, plan: &Plan) -> Vec<Round> {
        let length = Length::For(plan.turn);
        for side in &self.sides {
            side.turn(at_once, length).await;
        }
        let mut rounds = Vec::new();
        for round in 0..plan.rounds {
            let mut turns = Vec::new();
            for side in order(self.sides.len(), round) {
                let turn = self.sides[side].turn(at_once, length).await;
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
