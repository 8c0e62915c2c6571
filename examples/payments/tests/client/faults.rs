//! What the network does to a request and its answer.

use fastrand::Rng;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Fault {
    /// Both arrive.
    None,
    /// The request is lost.
    LoseRequest,
    /// The request arrives in part.
    CutRequest,
    /// The request arrives, and the connection breaks at once.
    HangUp,
    /// The answer is lost.
    LoseAnswer,
    /// The answer arrives in part.
    CutAnswer,
    /// The request arrives twice at the same time, and one of the answers arrives.
    Twice,
    /// A gateway answers 502 instead of forwarding the request.
    GatewayBefore,
    /// A gateway answers 502 instead of forwarding the answer.
    GatewayAfter,
    /// The request arrives, and then nothing.
    Silence,
}

/// Each with its share of a hundred.
pub const SHARES: [(Fault, u32); 10] = [
    (Fault::None, 51),
    (Fault::LoseRequest, 7),
    (Fault::CutRequest, 7),
    (Fault::HangUp, 7),
    (Fault::LoseAnswer, 7),
    (Fault::CutAnswer, 7),
    (Fault::Twice, 5),
    (Fault::GatewayBefore, 4),
    (Fault::GatewayAfter, 4),
    (Fault::Silence, 1),
];

impl Fault {
    pub fn choose(rng: &mut Rng) -> Self {
        let mut left = rng.u32(..100);
        for (fault, share) in SHARES {
            if left < share {
                return fault;
            }
            left -= share;
        }
        unreachable!("the shares are of a hundred")
    }
}
