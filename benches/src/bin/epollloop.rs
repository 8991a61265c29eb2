//! The limit for a server on epoll: one thread, one epoll instance, one recv(2) and one send(2) per readiness.
//!
//! Options: `--addr 127.0.0.1:8080 --core 0`.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::process::ExitCode;

use ringlane_benches::{Answer, Malformed, exit, listen};

const EVENTS: usize = 512;
const BUFFER_BYTES: usize = 4096;

fn main() -> ExitCode {
    exit(serve())
}

fn serve() -> io::Result<()> {
    let listener = listen()?;
    listener.set_nonblocking(true)?;
    let epoll = Epoll::new()?;
    epoll.watch(libc::EPOLL_CTL_ADD, listener.as_raw_fd(), libc::EPOLLIN)?;
    let mut server = Loop {
        epoll,
        answer: Answer::default(),
        connections: Vec::new(),
        buffer: [0; BUFFER_BYTES],
        output: Vec::new(),
    };
    let mut events = vec![libc::epoll_event { events: 0, u64: 0 }; EVENTS];
    loop {
        let count = server.epoll.wait(&mut events)?;
        server.answer.tick();
        for event in &events[..count] {
            let descriptor = event.u64 as RawFd;
            if descriptor == listener.as_raw_fd() {
                server.accept(&listener)?;
            } else if server.work(descriptor).is_err() {
                server.connections[descriptor as usize] = None; // Closing takes it out of the epoll instance.
            }
        }
    }
}

struct Connection {
    stream: TcpStream,
    unread: Vec<u8>,
    /// What did not fit into the socket; nothing is received until that is sent.
    unsent: Vec<u8>,
}

struct Loop {
    epoll: Epoll,
    answer: Answer,
    /// By descriptor.
    connections: Vec<Option<Connection>>,
    buffer: [u8; BUFFER_BYTES],
    output: Vec<u8>,
}

impl Loop {
    fn accept(&mut self, listener: &TcpListener) -> io::Result<()> {
        loop {
            let stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => continue,
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            let descriptor = stream.as_raw_fd();
            self.epoll.watch(libc::EPOLL_CTL_ADD, descriptor, libc::EPOLLIN)?;
            if self.connections.len() <= descriptor as usize {
                self.connections.resize_with(descriptor as usize + 1, || None);
            }
            self.connections[descriptor as usize] = Some(Connection {
                stream,
                unread: Vec::new(),
                unsent: Vec::new(),
            });
        }
    }

    /// Does what a ready connection allows; the error is its end.
    fn work(&mut self, descriptor: RawFd) -> Result<(), Ended> {
        let Some(Some(connection)) = self.connections.get_mut(descriptor as usize) else {
            return Ok(());
        };
        if !connection.unsent.is_empty() {
            let sent = send(&mut connection.stream, &connection.unsent)?;
            connection.unsent.drain(..sent);
            if connection.unsent.is_empty() {
                self.epoll.watch(libc::EPOLL_CTL_MOD, descriptor, libc::EPOLLIN)?;
            }
            return Ok(());
        }
        let received = match connection.stream.read(&mut self.buffer) {
            Ok(0) => return Err(Ended),
            Ok(bytes) => &self.buffer[..bytes],
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(Ended),
        };
        self.output.clear();
        self.answer.answer(&mut connection.unread, received, &mut self.output)?;
        let sent = send(&mut connection.stream, &self.output)?;
        if sent < self.output.len() {
            connection.unsent.extend_from_slice(&self.output[sent..]);
            self.epoll.watch(libc::EPOLL_CTL_MOD, descriptor, libc::EPOLLOUT)?;
        }
        Ok(())
    }
}

/// Sends what the socket takes, and returns how much that was.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> Result<usize, Ended> {
    if bytes.is_empty() {
        return Ok(0);
    }
    match stream.write(bytes) {
        Ok(sent) => Ok(sent),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(_) => Err(Ended),
    }
}

/// The connection is over.
struct Ended;

impl From<io::Error> for Ended {
    fn from(_: io::Error) -> Ended {
        Ended
    }
}

impl From<Malformed> for Ended {
    fn from(_: Malformed) -> Ended {
        Ended
    }
}

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Epoll> {
        // SAFETY: the descriptor is checked before it is owned, and nobody else owns it.
        unsafe {
            match libc::epoll_create1(libc::EPOLL_CLOEXEC) {
                -1 => Err(io::Error::last_os_error()),
                descriptor => Ok(Epoll(OwnedFd::from_raw_fd(descriptor))),
            }
        }
    }

    fn watch(&self, operation: libc::c_int, descriptor: RawFd, events: libc::c_int) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: events as u32,
            u64: descriptor as u64,
        };
        // SAFETY: `event` is a readable epoll_event, of which the kernel takes a copy (epoll_ctl(2)).
        match unsafe { libc::epoll_ctl(self.0.as_raw_fd(), operation, descriptor, &raw mut event) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits for events; returns how many there are.
    fn wait(&self, events: &mut [libc::epoll_event]) -> io::Result<usize> {
        // SAFETY: the pointer and the length are those of `events`, which the kernel writes to (epoll_wait(2)).
        match unsafe { libc::epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), events.len() as libc::c_int, -1) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == ErrorKind::Interrupted => Ok(0),
                error => Err(error),
            },
            count => Ok(count as usize),
        }
    }
}
