//! Runs over sockets, many at a time: all of them send a piece each, then the server is given the time to take them.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::answer::Received;
use super::case::Fate;
use super::runs::{Kind, PING, PROBE, Run};
use super::service::Log;
use super::verdict::{Awaited, check_calls, check_good};

/// How long anything may take: far more than it does, so that a run fails instead of hanging.
const LIMIT: Duration = Duration::from_secs(10);

const FLOOD_BYTES: usize = 1 << 20;

/// A client's connection. Every read and write fails after [`LIMIT`].
struct Connection {
    stream: TcpStream,
    address: SocketAddr,
    received: Received,
    was_reset: bool,
}

impl Connection {
    fn open(server: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        Ok(Connection {
            address: stream.local_addr()?,
            stream,
            received: Received::default(),
            was_reset: false,
        })
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.stream
            .write_all(bytes)
            .map_err(|error| format!("sending: {error}"))
    }

    /// Receives something, or the end.
    fn receive(&mut self) -> Result<(), String> {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => self.received.ended = true,
            Ok(count) => self.received.push(&bytes[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                return Err(format!("nothing came within {LIMIT:?}"));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                self.was_reset = error.kind() == io::ErrorKind::ConnectionReset;
                return Err(format!("receiving: {error}"));
            }
        }
        Ok(())
    }

    /// The answer to [`PROBE`], and nothing behind it.
    fn expect_probed(&mut self) -> Result<(), String> {
        loop {
            if let Some(answer) = self.received.take_answer(false)? {
                check_good(&answer, "GET /probe\n")?;
                break;
            }
            self.receive()?;
        }
        self.received.expect_nothing_more()
    }

    fn expect_bytes(&mut self, bytes: &[u8]) -> Result<(), String> {
        while !self.received.holds(bytes.len()) && !self.received.ended {
            self.receive()?;
        }
        self.received.expect_bytes(bytes)
    }

    /// The end of the stream, in good order, and nothing in front of it.
    fn expect_end(&mut self) -> Result<(), String> {
        while !self.received.ended {
            self.receive()?;
        }
        self.received.expect_nothing_more()
    }

    /// RFC 9112 §9.6: a server that has closed a socket answers with a reset what still comes.
    fn expect_end_or_reset(&mut self) -> Result<(), String> {
        match self.expect_end() {
            Err(_) if self.was_reset => self.received.expect_nothing_more(),
            ended => ended,
        }
    }
}

/// A thread's connections to one server.
pub struct Client {
    server: SocketAddr,
    log: Log,
    /// Asks between the pieces of the others.
    other: Connection,
    /// Kept by the runs before.
    kept: Vec<Connection>,
    flood: Vec<u8>,
}

/// What is told of a run that failed.
pub struct Failure {
    pub problem: String,
    pub received: Vec<u8>,
}

/// A run on its way.
struct Live<'a> {
    run: Run<'a>,
    connection: Connection,
    awaited: Awaited<'a>,
    pieces: std::vec::IntoIter<Vec<u8>>,
    part: usize,
    failed: Option<String>,
}

impl Client {
    pub fn connect(server: SocketAddr, log: Log) -> io::Result<Client> {
        Ok(Client {
            server,
            log,
            other: Connection::open(server)?,
            kept: Vec::new(),
            flood: vec![b'x'; FLOOD_BYTES],
        })
    }

    /// Runs a batch; what is wrong with each, in order.
    pub fn run<'a>(&mut self, runs: &[Run<'a>]) -> Result<Vec<Option<Failure>>, String> {
        let mut live = Vec::new();
        for run in runs {
            live.push(self.begin(*run)?);
        }
        while live.iter().any(Live::is_sending) {
            for one in &mut live {
                one.step(|one| one.send_next(&self.flood));
            }
            if live.iter().any(Live::is_sending) {
                self.let_it_receive()?;
                for one in &mut live {
                    one.step(Live::turn_to_next_part);
                }
            }
        }
        for one in &mut live {
            one.step(Live::read_answers);
        }
        for one in &mut live {
            one.step(Live::read_fate);
        }
        // What was sent in vain has been received by now, and would have been executed.
        self.let_it_receive()?;
        Ok(live.into_iter().map(|one| self.end(one)).collect())
    }

    fn begin<'a>(&mut self, run: Run<'a>) -> Result<Live<'a>, String> {
        // Cut or not, a request is the same on a connection that has seen others.
        let kept = match run.case.fate {
            Fate::Kept if run.kind != Kind::Whole => self.kept.pop(),
            _ => None,
        };
        let connection = match kept {
            Some(connection) => connection,
            None => Connection::open(self.server).map_err(|error| format!("connecting: {error}"))?,
        };
        Ok(Live {
            run,
            connection,
            awaited: Awaited::new(run),
            pieces: run.pieces(0).into_iter(),
            part: 0,
            failed: None,
        })
    }

    /// The server takes what is there before it answers this: bytes are received in the order in which they came. (That
    /// no new connection's first two pieces are ever received as one is not certain; the runs on the simulated ring cut
    /// exactly.)
    fn let_it_receive(&mut self) -> Result<(), String> {
        self.other.send(PROBE)?;
        self.other
            .expect_probed()
            .map_err(|problem| format!("between the runs: {problem}"))?;
        self.other.received.clear();
        self.log.take(Some(self.other.address));
        Ok(())
    }

    fn end(&mut self, live: Live<'_>) -> Option<Failure> {
        let Live {
            run,
            mut connection,
            failed,
            ..
        } = live;
        let seen = self.log.take(Some(connection.address));
        let is_kept = run.case.fate == Fate::Kept;
        if let Some(problem) = failed.or_else(|| check_calls(run, &seen, is_kept).err()) {
            return Some(Failure {
                problem,
                received: connection.received.history().to_vec(),
            });
        }
        if is_kept {
            connection.received.clear();
            self.kept.push(connection);
        }
        None
    }
}

impl Live<'_> {
    fn step(&mut self, act: impl FnOnce(&mut Self) -> Result<(), String>) {
        if self.failed.is_none() {
            self.failed = act(self).err();
        }
    }

    fn is_sending(&self) -> bool {
        self.failed.is_none() && (self.part + 1 < self.run.parts().len() || !self.pieces.as_slice().is_empty())
    }

    fn is_last_part(&self) -> bool {
        self.part + 1 == self.run.parts().len()
    }

    fn send_next(&mut self, flood: &[u8]) -> Result<(), String> {
        let Some(piece) = self.pieces.next() else {
            return Ok(());
        };
        let mut sent = self.connection.send(&piece);
        if self.is_last_part() && self.pieces.as_slice().is_empty() {
            if self.run.kind == Kind::Flooded {
                sent = sent.and_then(|()| self.connection.send(flood));
            }
            if self.run.case.half_close {
                let ended = self.connection.stream.shutdown(Shutdown::Write);
                sent = sent.and(ended.map_err(|error| format!("half-closing: {error}")));
            }
        }
        match sent {
            // RFC 9112 §9.6: a client that has said `close` must not send more, so the server need not take it.
            Err(_) if self.run.case.fate == Fate::ClosedOrReset => Ok(()),
            sent => sent,
        }
    }

    fn turn_to_next_part(&mut self) -> Result<(), String> {
        if self.pieces.as_slice().is_empty() && !self.is_last_part() {
            self.read_answers()?;
            self.part += 1;
            self.pieces = self.run.pieces(self.part).into_iter();
        }
        Ok(())
    }

    /// Reads what answers the current part; behind the last part, asks whether the connection is still there.
    fn read_answers(&mut self) -> Result<(), String> {
        while !self.awaited.take(&mut self.connection.received)? {
            self.connection.receive()?;
        }
        if !self.is_last_part() {
            return self.connection.received.expect_nothing_more();
        }
        match &self.run.case.fate {
            Fate::Closed | Fate::ClosedOrReset => Ok(()),
            Fate::Kept => {
                self.connection.received.expect_nothing_more()?;
                self.connection.send(PROBE)
            }
            Fate::Upgraded(_) => self.connection.send(PING),
        }
    }

    fn read_fate(&mut self) -> Result<(), String> {
        match &self.run.case.fate {
            Fate::Closed => self.connection.expect_end(),
            Fate::ClosedOrReset => self.connection.expect_end_or_reset(),
            Fate::Kept => self.connection.expect_probed(),
            Fate::Upgraded(early) => {
                self.connection.expect_bytes(&[early, PING].concat())?;
                let ended = self.connection.stream.shutdown(Shutdown::Write);
                ended.map_err(|error| format!("half-closing: {error}"))?;
                self.connection.expect_end()
            }
        }
    }
}
