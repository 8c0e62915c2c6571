//! One connection through a proxy: a loop for each direction.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{TcpStream, tcp::OwnedWriteHalf},
};

use super::{
    Shared,
    protocol::{Protocol, Reader},
    trap::{Action, Trap},
};

/// Relays until one side closes, or a trap or the proxy's owner cuts; then closes both sides.
pub(super) async fn relay<P: Protocol>(client: TcpStream, server: TcpStream, shared: &Shared) {
    let mut cuts = shared.cuts.subscribe();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let turns = Turns::<P>::default();
    // However it ends, the peers see no more than a closed connection.
    tokio::select! {
        _ = relay_statements(BufReader::new(from_client), to_server, &turns, shared) => {}
        _ = relay_answers(BufReader::new(from_server), to_client, &turns, shared) => {}
        _ = cuts.changed() => {}
    }
}

async fn relay_statements<P: Protocol>(
    mut client: Reader,
    mut server: OwnedWriteHalf,
    turns: &Turns<P>,
    shared: &Shared,
) -> io::Result<()> {
    let mut cut_running = None;
    loop {
        let said = turns.protocol.read_client(&mut client).await?;
        let trap = said
            .statement
            .as_deref()
            .and_then(|statement| shared.caught(statement));
        let is_lost = said
            .statement
            .as_deref()
            .is_some_and(|one| shared.loses(one));
        shared.count(turns.client_begins(), said.statement);
        if is_lost {
            continue;
        }
        shared.while_paused().await;
        if let Some(trap) = trap {
            match trap.action() {
                Action::Cut => {
                    trap.mark_reached();
                    return Ok(());
                }
                Action::Hold => {
                    trap.mark_reached();
                    trap.resumed().await;
                }
                Action::CutRunning => cut_running = Some(trap),
                Action::HoldAnswer | Action::CutAnswer => turns.catch_answer(trap),
            }
        }
        let asks = said.answer.is_some();
        turns.owe(said.answer);
        server.write_all(&said.bytes).await?;
        if let (true, Some(trap)) = (asks, &cut_running) {
            trap.mark_reached();
            return Ok(());
        }
    }
}

async fn relay_answers<P: Protocol>(
    mut server: Reader,
    mut client: OwnedWriteHalf,
    turns: &Turns<P>,
    shared: &Shared,
) -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        let message = P::read_server(&mut server).await?;
        let trap = turns.caught_answer();
        held.extend(&message);
        if turns.ends_answer(&message) {
            if let Some(trap) = &trap {
                trap.mark_reached();
                if trap.action() == Action::CutAnswer {
                    return Ok(());
                }
                trap.resumed().await;
            }
        } else if trap.is_some() {
            continue;
        }
        shared.while_paused().await;
        turns.server_spoke();
        client.write_all(&held).await?;
        held.clear();
    }
}

/// Who spoke last on a connection, and which answers are outstanding.
#[derive(Debug)]
struct Turns<P: Protocol> {
    protocol: P,
    client_spoke_last: AtomicBool,
    answers: Mutex<Answers<P::Answer>>,
}

#[derive(Debug)]
struct Answers<A> {
    owed: VecDeque<A>,
    /// The trap, and how many answers precede the one that it holds or cuts.
    caught: Option<(usize, Trap)>,
}

impl<P: Protocol> Turns<P> {
    /// Whether this client message starts a round trip.
    fn client_begins(&self) -> bool {
        !self.client_spoke_last.swap(true, Ordering::Relaxed)
    }

    fn server_spoke(&self) {
        self.client_spoke_last.store(false, Ordering::Relaxed);
    }

    fn owe(&self, answer: Option<P::Answer>) {
        self.answers.lock().unwrap().owed.extend(answer);
    }

    /// Passes a trap to the other direction before its statement is forwarded.
    fn catch_answer(&self, trap: Trap) {
        let mut answers = self.answers.lock().unwrap();
        answers.caught = Some((answers.owed.len(), trap));
    }

    /// The trap for the answer being read.
    fn caught_answer(&self) -> Option<Trap> {
        let answers = self.answers.lock().unwrap();
        match &answers.caught {
            Some((0, trap)) => Some(trap.clone()),
            _ => None,
        }
    }

    /// Whether the server's message ends an answer. An unsolicited message belongs to none.
    fn ends_answer(&self, message: &[u8]) -> bool {
        let mut answers = self.answers.lock().unwrap();
        let answer = answers.owed.front_mut();
        if !answer.is_some_and(|answer| self.protocol.ends(answer, message)) {
            return false;
        }
        answers.owed.pop_front();
        answers.caught = match answers.caught.take() {
            Some((before, trap)) if before > 0 => Some((before - 1, trap)),
            _ => None,
        };
        true
    }
}

/// A derive would require a default answer.
impl<P: Protocol> Default for Turns<P> {
    fn default() -> Self {
        Self {
            protocol: P::default(),
            client_spoke_last: AtomicBool::default(),
            answers: Mutex::new(Answers {
                owed: VecDeque::new(),
                caught: None,
            }),
        }
    }
}
