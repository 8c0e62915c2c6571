//! One connection through a proxy: a loop for each direction.

use std::{
    io,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::{
    io::{AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{
    Shared,
    message::{Message, Prepared},
    trap::{Action, Trap},
};

/// Relays until one side ends, a trap cuts or the proxy's owner does; then both sides are closed.
pub(super) async fn relay(client: TcpStream, server: TcpStream, shared: &Shared) {
    let mut cuts = shared.cuts.subscribe();
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let turns = Turns::default();
    // However it ends, the peers see no more than a closed connection.
    tokio::select! {
        _ = relay_statements(BufReader::new(from_client), to_server, &turns, shared) => {}
        _ = relay_answers(BufReader::new(from_server), to_client, &turns, shared) => {}
        _ = cuts.changed() => {}
    }
}

async fn relay_statements(
    mut client: BufReader<OwnedReadHalf>,
    mut server: OwnedWriteHalf,
    turns: &Turns,
    shared: &Shared,
) -> io::Result<()> {
    let mut prepared = Prepared::default();
    let mut cut_running = None;
    let mut message = Message::read_first(&mut client).await?;
    loop {
        let statement = prepared.statement(&message);
        let trap = statement
            .as_deref()
            .and_then(|statement| shared.caught(statement));
        shared.count(turns.client_begins(), statement);
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
        if message.asks_for_answer() {
            turns.owe_answer();
        }
        server.write_all(&message.bytes).await?;
        if let (true, Some(trap)) = (message.asks_for_answer(), &cut_running) {
            trap.mark_reached();
            return Ok(());
        }
        message = Message::read(&mut client).await?;
    }
}

async fn relay_answers(
    mut server: BufReader<OwnedReadHalf>,
    mut client: OwnedWriteHalf,
    turns: &Turns,
    shared: &Shared,
) -> io::Result<()> {
    let mut held = Vec::new();
    loop {
        let message = Message::read(&mut server).await?;
        let trap = turns.caught_answer();
        held.extend(&message.bytes);
        if message.ends_answer() {
            turns.answer_ended();
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
#[derive(Debug, Default)]
struct Turns {
    client_spoke_last: AtomicBool,
    answers: Mutex<Answers>,
}

#[derive(Debug, Default)]
struct Answers {
    owed: usize,
    /// The trap, and how many answers come before the one that it holds or cuts.
    caught: Option<(usize, Trap)>,
}

impl Turns {
    /// Whether this message of the client begins a round trip.
    fn client_begins(&self) -> bool {
        !self.client_spoke_last.swap(true, Ordering::Relaxed)
    }

    fn server_spoke(&self) {
        self.client_spoke_last.store(false, Ordering::Relaxed);
    }

    fn owe_answer(&self) {
        self.answers.lock().unwrap().owed += 1;
    }

    /// Hands a trap to the other direction, before its statement is forwarded.
    fn catch_answer(&self, trap: Trap) {
        let mut answers = self.answers.lock().unwrap();
        answers.caught = Some((answers.owed, trap));
    }

    /// The trap that the answer being read is caught in.
    fn caught_answer(&self) -> Option<Trap> {
        let answers = self.answers.lock().unwrap();
        match &answers.caught {
            Some((0, trap)) => Some(trap.clone()),
            _ => None,
        }
    }

    fn answer_ended(&self) {
        let mut answers = self.answers.lock().unwrap();
        answers.owed -= 1;
        answers.caught = match answers.caught.take() {
            Some((before, trap)) if before > 0 => Some((before - 1, trap)),
            _ => None,
        };
    }
}
