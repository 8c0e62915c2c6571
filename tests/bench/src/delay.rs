//! A TCP proxy that passes on later what a server sends to its database, as a network between them would.
//!
//! A thread for each direction, and one more that waits: a message that arrives while another waits is delayed by no
//! more than that one. Timers of the runtime are too coarse for half a millisecond, and to spin would take the
//! processor from what is measured. So the thread sleeps, with the smallest slack that Linux grants a timer, and
//! counts how long it really was.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// A running proxy. Dropping it lets nobody connect any more; connections last until one side closes.
#[derive(Debug)]
pub(crate) struct Delaying {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    delay: Duration,
    is_closed: AtomicBool,
    messages: AtomicU64,
    /// The sum of the delays.
    nanoseconds: AtomicU64,
}

impl Delaying {
    /// Starts a proxy to this host and port.
    pub(crate) fn to(host: &str, port: u16, delay: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            delay,
            is_closed: AtomicBool::new(false),
            messages: AtomicU64::new(0),
            nanoseconds: AtomicU64::new(0),
        });
        let (server, accepting) = ((host.to_owned(), port), Arc::clone(&shared));
        thread::spawn(move || accept(&listener, &server, &accepting));
        Self { address, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// The mean delay so far.
    pub(crate) fn mean(&self) -> Option<Duration> {
        let nanoseconds = self.shared.nanoseconds.load(Ordering::Relaxed);
        let mean = nanoseconds.checked_div(self.shared.messages.load(Ordering::Relaxed));
        mean.map(Duration::from_nanos)
    }
}

impl Drop for Delaying {
    fn drop(&mut self) {
        self.shared.is_closed.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _woken = TcpStream::connect(self.address);
    }
}

fn accept(listener: &TcpListener, server: &(String, u16), shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        if shared.is_closed.load(Ordering::Relaxed) {
            return;
        }
        // A client whose server cannot be reached sees its connection closed.
        let _connected = TcpStream::connect((server.0.as_str(), server.1))
            .and_then(|server| relay(client, server, shared));
    }
}

fn relay(client: TcpStream, server: TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = (client.try_clone()?, client);
    let (from_server, to_server) = (server.try_clone()?, server);
    let (waiting, due) = mpsc::channel();
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        let passed = pass(from_client, |bytes| {
            let message = (Instant::now(), bytes.to_vec());
            waiting.send(message).map_err(io::Error::other)
        });
        // The peers see no more than a closed connection.
        drop(passed);
    });
    thread::spawn(move || wait(&due, to_server, &shared));
    thread::spawn(move || {
        let mut to_client = to_client;
        drop(pass(from_server, |bytes| to_client.write_all(bytes)));
        let _closed = to_client.shutdown(Shutdown::Both);
    });
    Ok(())
}

fn pass(mut from: TcpStream, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match from.read(&mut bytes)? {
            0 => return Ok(()),
            read => to(&bytes[..read])?,
        }
    }
}

/// Sends each message when its time has come, until the client or the server is gone.
fn wait(due: &mpsc::Receiver<(Instant, Vec<u8>)>, mut server: TcpStream, shared: &Shared) {
    #[cfg(target_os = "linux")]
    rustix::thread::set_current_timer_slack(std::num::NonZero::new(1)).unwrap();
    while let Ok((arrived, bytes)) = due.recv() {
        thread::sleep(shared.delay.saturating_sub(arrived.elapsed()));
        let late = u64::try_from(arrived.elapsed().as_nanos()).unwrap_or(u64::MAX);
        shared.messages.fetch_add(1, Ordering::Relaxed);
        shared.nanoseconds.fetch_add(late, Ordering::Relaxed);
        if server.write_all(&bytes).is_err() {
            break;
        }
    }
    let _closed = server.shutdown(Shutdown::Both);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_pass_unchanged_and_no_earlier_than_the_delay() -> io::Result<()> {
        let delay = Duration::from_millis(20);
        let server = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Delaying::to("127.0.0.1", server.local_addr()?.port(), delay);
        assert_eq!(proxy.mean(), None);
        let echo = thread::spawn(move || -> io::Result<()> {
            let (mut client, _) = server.accept()?;
            pass(client.try_clone()?, |bytes| client.write_all(bytes))
        });
        let mut client = TcpStream::connect(proxy.address)?;
        for message in [b"one", b"two"] {
            let start = Instant::now();
            client.write_all(message)?;
            let mut answer = [0; 3];
            client.read_exact(&mut answer)?;
            assert_eq!(&answer, message);
            assert!(start.elapsed() >= delay);
        }
        assert!(proxy.mean() >= Some(delay));
        // Each side sees that the other one has closed its connection.
        drop(client);
        echo.join().unwrap()
    }
}
