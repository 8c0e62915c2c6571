//! A proxy for HTTP that loses, cuts and repeats requests and answers.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use fastrand::Rng;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::faults::{Fault, SHARES};
use super::message::Message;

/// A proxy whose faults depend on the seed, the payment and the number of its try alone.
pub struct Lossy {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: AbortHandle,
}

struct Shared {
    server: SocketAddr,
    seed: u64,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    /// How many tries each payment had, by its reference.
    tries: BTreeMap<String, u64>,
    /// The keys of each payment.
    keys: BTreeMap<String, BTreeSet<String>>,
    faults: BTreeMap<Fault, usize>,
}

impl Lossy {
    pub async fn to(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Mutex::default();
        let shared = Arc::new(Shared { server, seed, seen });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Self {
            address,
            shared,
            accepting,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn each_payment_had_one_key_and_each_fault_occurred(&self, payments: usize) {
        let (seen, seed) = (self.shared.seen.lock().unwrap(), self.shared.seed);
        let has_one = |(_, keys): &(&String, &BTreeSet<String>)| keys.len() == 1;
        let with_one = seen.keys.iter().filter(has_one).count();
        assert_eq!(with_one, payments, "seed {seed}: payments with one key");
        let distinct: BTreeSet<_> = seen.keys.values().flatten().collect();
        assert_eq!(distinct.len(), payments, "seed {seed}: two share a key");
        for (fault, _) in SHARES {
            assert!(seen.faults.contains_key(&fault), "seed {seed}: {fault:?}");
        }
        eprintln!("seed {seed}: {:?}", seen.faults);
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let shared = Arc::clone(&shared);
        connections.spawn(async move { shared.relay(client).await });
    }
}

impl Shared {
    /// Relays requests until the client or a fault closes the connection.
    async fn relay(&self, mut client: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        while let Some(request) = Message::read(&mut client).await? {
            let (fault, mut rng) = self.meet(&request);
            let answer = match fault {
                Fault::None => self.ask(&request).await?,
                Fault::LoseRequest => return Ok(()),
                Fault::CutRequest => {
                    let part = ..rng.usize(1..request.bytes.len());
                    return self.send(&request.bytes[part]).await.map(|_| ());
                }
                Fault::HangUp => return self.send(&request.bytes).await.map(|_| ()),
                Fault::LoseAnswer => return self.ask(&request).await.map(|_| ()),
                Fault::CutAnswer => {
                    let answer = self.ask(&request).await?;
                    let part = ..rng.usize(1..answer.len());
                    return client.write_all(&answer[part]).await;
                }
                Fault::Twice => {
                    let both = tokio::try_join!(self.ask(&request), self.ask(&request))?;
                    if rng.bool() { both.0 } else { both.1 }
                }
                Fault::GatewayBefore => BAD_GATEWAY.to_vec(),
                Fault::GatewayAfter => {
                    self.ask(&request).await?;
                    BAD_GATEWAY.to_vec()
                }
                Fault::Silence => {
                    self.ask(&request).await?;
                    // Until the client gives up.
                    return client.read_u8().await.map(|_| ());
                }
            };
            client.write_all(&answer).await?;
        }
        Ok(())
    }

    /// Writes down the request, and chooses its fault.
    fn meet(&self, request: &Message) -> (Fault, Rng) {
        let body: Value = serde_json::from_slice(request.body()).unwrap();
        let reference = body["reference"].as_str().unwrap().to_owned();
        let number: u64 = reference.trim_start_matches("order-").parse().unwrap();
        let mut seen = self.seen.lock().unwrap();
        let tries = seen.tries.entry(reference.clone()).or_default();
        *tries += 1;
        let mut rng = Rng::with_seed(self.seed ^ (number << 20) ^ (*tries << 40));
        let key = request.header("idempotency-key").unwrap().to_owned();
        seen.keys.entry(reference).or_default().insert(key);
        let fault = Fault::choose(&mut rng);
        *seen.faults.entry(fault).or_default() += 1;
        (fault, rng)
    }

    /// Sends bytes on a connection of their own.
    async fn send(&self, bytes: &[u8]) -> io::Result<TcpStream> {
        let mut server = TcpStream::connect(self.server).await?;
        server.set_nodelay(true)?;
        server.write_all(bytes).await?;
        Ok(server)
    }

    async fn ask(&self, request: &Message) -> io::Result<Vec<u8>> {
        let mut server = self.send(&request.bytes).await?;
        let answer = Message::read(&mut server).await?;
        let answer = answer.ok_or(io::ErrorKind::UnexpectedEof)?;
        Ok(answer.bytes)
    }
}

const BAD_GATEWAY: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n";
