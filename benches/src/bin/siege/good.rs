//! The good client: one request after another at a modest rate, on one connection that is kept alive.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

/// How often it asks.
const EVERY: Duration = Duration::from_millis(5);
/// No answer takes that long.
const LIMIT: Duration = Duration::from_secs(10);
const REQUEST: &[u8] = b"GET /small HTTP/1.1\r\nHost: siege\r\n\r\n";
const BODY: &[u8] = b"\r\n\r\nGET /small\n";

/// What one phase measured.
#[derive(Clone, Copy, Debug)]
pub struct Latency {
    pub requests: usize,
    pub median: Duration,
    pub p99: Duration,
    pub max: Duration,
}

/// The latencies of the phase that is on; the client's thread adds to them. None once it has to end.
pub struct Phase(Mutex<Option<Vec<Duration>>>);

impl Phase {
    pub fn new() -> Phase {
        Phase(Mutex::new(Some(Vec::new())))
    }

    /// Ends a phase and begins the next.
    pub fn next(&self) -> Latency {
        let mut phase = self.lock();
        Latency::of(phase.replace(Vec::new()).unwrap_or_default())
    }

    /// Has the client end.
    pub fn end(&self) {
        *self.lock() = None;
    }

    /// False where the client has to end.
    fn add(&self, latency: Duration) -> bool {
        match &mut *self.lock() {
            Some(latencies) => {
                latencies.push(latency);
                true
            }
            None => false,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<Duration>>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Latency {
    fn of(mut latencies: Vec<Duration>) -> Latency {
        latencies.sort_unstable();
        let at = |part: usize| latencies.get(latencies.len() * part / 100).copied().unwrap_or_default();
        Latency {
            requests: latencies.len(),
            median: at(50),
            p99: at(99),
            max: latencies.last().copied().unwrap_or_default(),
        }
    }
}

/// Asks until it has to end.
///
/// # Errors
///
/// Where an answer is not what it has to be, or takes too long.
pub fn ask(address: SocketAddr, phase: &Phase) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    let mut next = Instant::now();
    loop {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let begin = Instant::now();
        // Where it is late it does not make up for it: what is measured is one request at a time.
        next = (next + EVERY).max(begin);
        ask_once(&mut stream)?;
        if !phase.add(begin.elapsed()) {
            return Ok(());
        }
    }
}

fn ask_once(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(REQUEST)?;
    let (mut buffer, mut count) = ([0; 1024], 0);
    while !buffer[..count].ends_with(BODY) {
        match stream.read(&mut buffer[count..])? {
            0 => {
                let answer = buffer[..count].escape_ascii();
                return Err(io::Error::other(format!("the good client's answer is \"{answer}\"")));
            }
            bytes => count += bytes,
        }
    }
    Ok(())
}
