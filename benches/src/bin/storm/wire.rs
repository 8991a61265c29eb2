//! One connection to the server, which sends and receives at the same time and never waits without an end.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use ringlane_benches::connecting;
use ringlane_benches::random::Random;
use socket2::SockRef;

/// How long a peer needs to notice that something came.
const MOMENT: Duration = Duration::from_micros(300);
/// How many moments are waited at the most, so that no time runs out over it.
const MOMENTS_MAX: usize = 300;
/// How much is read at once.
const READ_BYTES: usize = 64 * 1024;

pub struct Wire {
    stream: TcpStream,
    /// All that has come and has not been taken.
    pub received: Vec<u8>,
    pub ended: End,
    /// Sending has found it reset. The system says so once only; what came before can still be read.
    reset: bool,
}

/// How the server's direction stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Open,
    /// In an orderly way.
    Finished,
    /// By a reset, or another error.
    Broken,
}

/// How bytes are cut on their way out.
#[derive(Clone, Copy, Debug)]
pub enum Cuts {
    /// As much at once as the socket takes.
    None,
    /// Pieces of up to so many bytes.
    Pieces(usize),
    /// As before, with a moment between the first [`MOMENTS_MAX`] of them, so that each arrives by itself.
    Moments(usize),
}

impl Cuts {
    pub fn any(random: &mut Random) -> Cuts {
        match random.below(8) {
            0..=3 => Cuts::None,
            4 | 5 => Cuts::Pieces(random.one_of(&[7, 100, 1460, 5000])),
            6 => Cuts::Pieces(random.between(1, 20_000)),
            _ => Cuts::Moments(random.one_of(&[3, 200, 4096, 9000])),
        }
    }
}

impl Wire {
    pub fn connect(address: SocketAddr, random: &mut Random) -> io::Result<Wire> {
        Wire::new(connecting::connect(address, random.below(usize::MAX))?)
    }

    /// With a receive buffer as small as the system allows.
    pub fn connect_narrow(address: SocketAddr, random: &mut Random) -> io::Result<Wire> {
        Wire::new(connecting::connect_narrow(address, random.below(usize::MAX), 1)?)
    }

    fn new(stream: TcpStream) -> io::Result<Wire> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Wire {
            stream,
            received: Vec::new(),
            ended: End::Open,
            reset: false,
        })
    }

    /// Sends bytes, and receives until `enough` says so, the server ends its direction, or the time has come. True where
    /// everything was sent. What is still to be sent when the server ends its direction is not.
    pub fn talk(
        &mut self,
        bytes: &[u8],
        cuts: Cuts,
        random: &mut Random,
        until: Instant,
        mut enough: impl FnMut(&[u8]) -> bool,
    ) -> bool {
        let (mut at, mut moments) = (0, 0);
        loop {
            let piece = match cuts {
                Cuts::Moments(_) if moments == MOMENTS_MAX => &bytes[at..],
                Cuts::None => &bytes[at..],
                Cuts::Pieces(most) | Cuts::Moments(most) => &bytes[at..bytes.len().min(at + random.between(1, most))],
            };
            let sent = self.send(piece);
            at += sent;
            self.receive(usize::MAX);
            let now = Instant::now();
            let done = at == bytes.len() && enough(&self.received);
            if done || self.ended != End::Open || now >= until {
                return at == bytes.len();
            }
            match cuts {
                Cuts::Moments(_) if at < bytes.len() && moments < MOMENTS_MAX => {
                    moments += 1;
                    std::thread::sleep(MOMENT);
                }
                _ if sent > 0 && at < bytes.len() => {}
                _ => self.wait(at < bytes.len(), until - now),
            }
        }
    }

    /// Receives until the server ends its direction, or a time has passed.
    pub fn listen(&mut self, time: Duration, random: &mut Random) {
        self.talk(b"", Cuts::None, random, Instant::now() + time, |_| false);
    }

    /// Sends as much as the socket takes at the moment. Returns how much that was.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        if bytes.is_empty() {
            return 0;
        }
        match self.stream.write(bytes) {
            Ok(sent) => sent,
            Err(error) => {
                self.reset |= !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted);
                0
            }
        }
    }

    /// Receives what is there, up to so many bytes.
    pub fn receive(&mut self, most: usize) {
        let mut buffer = [0; READ_BYTES];
        let mut left = most;
        while left > 0 && self.ended == End::Open {
            let room = left.min(READ_BYTES);
            match self.stream.read(&mut buffer[..room]) {
                Ok(0) if self.reset => self.ended = End::Broken,
                Ok(0) => self.ended = End::Finished,
                Ok(count) => {
                    self.received.extend_from_slice(&buffer[..count]);
                    left -= count;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.ended = End::Broken,
            }
        }
    }

    /// Whether the connection was reset, without reading from it.
    pub fn is_reset(&self) -> bool {
        self.reset || !matches!(self.stream.take_error(), Ok(None))
    }

    /// Says that no more will be sent.
    pub fn finish_sending(&self) {
        let _ = self.stream.shutdown(Shutdown::Write); // Where the server was faster, it does not matter any more.
    }

    /// Vanishes: the server sees a reset.
    pub fn reset(self) {
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO)); // It is closed in any case.
    }

    /// Waits until something can be received, or sent.
    fn wait(&self, to_send: bool, limit: Duration) {
        let mut descriptor = libc::pollfd {
            fd: self.stream.as_raw_fd(),
            events: if to_send {
                libc::POLLIN | libc::POLLOUT
            } else {
                libc::POLLIN
            },
            revents: 0,
        };
        let milliseconds = limit.as_millis().clamp(1, 1000) as libc::c_int;
        // SAFETY: one pollfd is passed, and its number.
        unsafe { libc::poll(&raw mut descriptor, 1, milliseconds) };
    }
}
