//! Random histories of one operation on two nodes, generated from a seed.

/// One step of a history.
#[derive(Clone, Debug)]
pub enum Step {
    /// Attempts of one name; several start at once.
    Attempts(Name, Vec<Try>),
    /// The record of this name expires, if there is one.
    Expire(Name),
    /// The node sweeps.
    Sweep(usize),
    /// The node erases a tenant.
    Erase(usize, &'static str),
    /// The node restarts with an empty memory.
    Restart(usize),
}

/// The tenant and the key.
pub type Name = (&'static str, &'static str);

/// One attempt: its node, its route, its amount, and its ending if it runs.
#[derive(Clone, Debug)]
pub struct Try {
    pub node: usize,
    pub path: &'static str,
    pub amount: i64,
    pub then: &'static str,
}

pub fn history(seed: u64, steps: usize) -> Vec<Step> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..steps).map(|_| step(&mut random)).collect()
}

fn step(random: &mut fastrand::Rng) -> Step {
    let name = (tenant(random), pick(random, &["a", "b", "c"]));
    match random.u8(..100) {
        0..55 => Step::Attempts(name, vec![attempt(random, ALONE)]),
        55..75 => {
            let attempts = (0..random.usize(2..=6)).map(|_| attempt(random, AT_ONCE));
            Step::Attempts(name, attempts.collect())
        }
        75..85 => Step::Expire(name),
        85..90 => Step::Sweep(random.usize(..2)),
        90..95 => Step::Erase(random.usize(..2), tenant(random)),
        _ => Step::Restart(random.usize(..2)),
    }
}

/// The endings of attempts.
const ALONE: &[&str] = &["", "", "", "", "402", "409", "panic", "fail", "rollback"];

/// The endings that keep the transaction, and with it the lock that excludes other nodes.
const AT_ONCE: &[&str] = &["", "", "", "402", "409", "panic"];

fn attempt(random: &mut fastrand::Rng, endings: &[&'static str]) -> Try {
    Try {
        node: random.usize(..2),
        path: pick(random, &["/reject", "/wait"]),
        amount: if random.u8(..4) == 0 { 6 } else { 5 },
        then: pick(random, endings),
    }
}

fn tenant(random: &mut fastrand::Rng) -> &'static str {
    pick(random, &["acme", "other"])
}

fn pick(random: &mut fastrand::Rng, from: &[&'static str]) -> &'static str {
    from[random.usize(..from.len())]
}
