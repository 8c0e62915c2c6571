//! The log of this process, of all its threads.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use tokio::time;
use tracing::Level;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::a_moment;

/// The lines of all tests of the process, since the first of them asked for the log.
///
/// All tests share it: a subscriber for one thread would miss spans that another thread
/// entered first.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// Starts logging on the first call.
    pub fn shared() -> &'static Self {
        static LOG: OnceLock<Log> = OnceLock::new();
        LOG.get_or_init(|| {
            let log = Self::default();
            let writer = log.clone();
            tracing_subscriber::fmt()
                .with_max_level(Level::DEBUG)
                .with_span_events(FmtSpan::CLOSE)
                .with_ansi(false)
                .with_writer(move || writer.clone())
                .init();
            log
        })
    }

    /// All lines so far.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap()).into_owned()
    }

    /// Waits until the lines match.
    ///
    /// A span is logged when its last handle is dropped; SQLite's own thread may do so after the
    /// response has arrived.
    pub async fn until(&self, says: impl Fn(&str) -> bool) {
        let said = async {
            while !says(&self.text()) {
                a_moment().await;
            }
        };
        let said = time::timeout(Duration::from_secs(30), said).await;
        assert!(said.is_ok(), "it is not in {}", self.text());
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
