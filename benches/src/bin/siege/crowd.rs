//! The besiegers: many slow or greedy connections at once, driven by one thread that sleeps most of the time.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use ringlane_benches::connecting::{connect, connect_narrow};

/// Each connection is visited once in this time, a part of them in each step, so that the core is never busy for long.
const ROUND: Duration = Duration::from_secs(1);
pub const STEPS: usize = 200;
/// How many connections are opened in one go, less than the server's backlog, and the pause behind them.
const BURST: usize = 60;
const PAUSE: Duration = Duration::from_millis(5);
/// How many large answers one asks for that reads none: more than the kernel takes for it.
const LARGE_ANSWERS: usize = 16;

const LARGE: &str = "GET /large HTTP/1.1\r\nHost: siege\r\n\r\n";

/// What a besieger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Sends a byte of its head a second.
    SlowHead,
    /// Announces a body of a mebibyte, and sends some bytes of it a second.
    SlowBody,
    /// Asks for large answers, and reads none.
    NeverReading,
}

impl Kind {
    pub const ALL: [Kind; 3] = [Kind::SlowHead, Kind::SlowBody, Kind::NeverReading];

    pub fn name(self) -> &'static str {
        match self {
            Kind::SlowHead => "slow head",
            Kind::SlowBody => "slow body",
            Kind::NeverReading => "never reading",
        }
    }

    fn first(self) -> String {
        match self {
            Kind::SlowHead => "GET / HTTP/1.1\r\nHost: siege\r\nX-Slow: ".to_owned(),
            Kind::SlowBody => "POST /count HTTP/1.1\r\nHost: siege\r\nContent-Length: 1048576\r\n\r\n".to_owned(),
            Kind::NeverReading => LARGE.repeat(LARGE_ANSWERS),
        }
    }

    /// What it sends each second.
    fn then(self) -> &'static [u8] {
        match self {
            Kind::SlowHead => b"x",
            Kind::SlowBody => b"ten bytes.",
            Kind::NeverReading => b"",
        }
    }
}

struct Besieger {
    kind: Kind,
    stream: TcpStream,
    since: Instant,
    status: Option<u16>,
    ended: bool,
}

/// All besiegers, and how those ended that have.
#[derive(Default)]
pub struct Crowd {
    besiegers: Vec<Besieger>,
    /// How long each lasted until the server ended it.
    pub lasted: BTreeMap<Kind, Vec<Duration>>,
    /// What they were told.
    pub statuses: BTreeMap<u16, usize>,
}

impl Crowd {
    /// Opens `each` connections of each kind.
    pub fn open(address: SocketAddr, each: usize) -> io::Result<Crowd> {
        let mut crowd = Crowd::default();
        for number in 0..each * Kind::ALL.len() {
            let kind = Kind::ALL[number % Kind::ALL.len()];
            let mut stream = match kind {
                Kind::NeverReading => connect_narrow(address, number, 1)?,
                _ => connect(address, number)?,
            };
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            stream.write_all(kind.first().as_bytes())?;
            crowd.besiegers.push(Besieger {
                kind,
                stream,
                since: Instant::now(),
                status: None,
                ended: false,
            });
            if number % BURST == BURST - 1 {
                thread::sleep(PAUSE);
            }
        }
        Ok(crowd)
    }

    /// How many are left.
    pub fn len(&self) -> usize {
        self.besiegers.len()
    }

    /// One step: a part of all gets its visit.
    pub fn step(&mut self, number: usize) {
        let begin = Instant::now();
        for besieger in self.besiegers.iter_mut().skip(number % STEPS).step_by(STEPS) {
            besieger.visit();
        }
        if number % STEPS == STEPS - 1 {
            let (ended, left): (Vec<_>, _) = std::mem::take(&mut self.besiegers)
                .into_iter()
                .partition(|one| one.ended);
            self.besiegers = left;
            for Besieger {
                kind, since, status, ..
            } in ended
            {
                self.lasted.entry(kind).or_default().push(since.elapsed());
                *self.statuses.entry(status.unwrap_or(0)).or_default() += 1;
            }
        }
        thread::sleep((ROUND / STEPS as u32).saturating_sub(begin.elapsed()));
    }
}

impl Besieger {
    /// Sends its bytes, and looks whether the server has ended the connection.
    fn visit(&mut self) {
        if self.ended {
            return;
        }
        if self.kind == Kind::NeverReading {
            self.ended = !matches!(self.stream.take_error(), Ok(None));
            return;
        }
        let _ = self.stream.write(self.kind.then()); // Where the connection is over, reading tells.
        let mut bytes = [0; 512];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.ended = true,
            Ok(count) => {
                let text = String::from_utf8_lossy(&bytes[..count]);
                let status = text
                    .strip_prefix("HTTP/1.1 ")
                    .and_then(|rest| rest.get(..3)?.parse().ok());
                self.status = self.status.or(status);
            }
            Err(error) => self.ended = !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted),
        }
    }
}
