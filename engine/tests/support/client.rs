//! A plain blocking HTTP/1.1 client that believes nothing: every line of an answer is checked as it is read.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, Type};

/// How long anything may take: far more than it does, so that a test fails instead of hanging.
pub const LIMIT: Duration = Duration::from_secs(10);

/// How much is read from a socket at a time.
const READ_BYTES: usize = 64 * 1024;

/// A connection. Every read and write fails after [`LIMIT`].
pub struct Client {
    stream: TcpStream,
    /// What was received and not yet taken: `received[start..]`.
    received: Vec<u8>,
    start: usize,
}

/// Status line and fields of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    pub status: u16,
    pub fields: Vec<(String, String)>,
}

/// A whole answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Client {
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).unwrap_or_else(|error| panic!("connecting to {address}: {error}"))
    }

    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        Client::try_connect_with(address, |_| Ok(()))
    }

    /// A connection whose kernel buffers are small, so that what is not read soon holds the sender back.
    #[track_caller]
    pub fn connect_narrow(address: SocketAddr, buffer_bytes: usize) -> Client {
        Client::try_connect_with(address, |socket| {
            socket.set_recv_buffer_size(buffer_bytes)?;
            socket.set_send_buffer_size(buffer_bytes)
        })
        .unwrap_or_else(|error| panic!("connecting to {address}: {error}"))
    }

    fn try_connect_with(address: SocketAddr, configure: impl FnOnce(&Socket) -> io::Result<()>) -> io::Result<Client> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
        configure(&socket)?;
        socket.connect_timeout(&address.into(), LIMIT)?;
        socket.set_tcp_nodelay(true)?;
        socket.set_read_timeout(Some(LIMIT))?;
        socket.set_write_timeout(Some(LIMIT))?;
        Ok(Client {
            stream: socket.into(),
            received: Vec::new(),
            start: 0,
        })
    }

    pub fn local_addr(&self) -> SocketAddr {
        self.stream.local_addr().expect("a connected socket has an address")
    }

    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap_or_else(|error| panic!("sending: {error}"));
    }

    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// The same socket for a second thread, which writes while this one reads.
    #[track_caller]
    pub fn writer(&self) -> TcpStream {
        self.stream.try_clone().expect("a socket can be duplicated")
    }

    /// Says that no more will be sent.
    #[track_caller]
    pub fn half_close(&mut self) {
        self.stream
            .shutdown(Shutdown::Write)
            .unwrap_or_else(|error| panic!("half-closing: {error}"));
    }

    /// Closes with a reset.
    pub fn reset(self) {
        SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .expect("SO_LINGER can be set");
    }

    /// One request, one answer.
    #[track_caller]
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Answer {
        self.send(request);
        self.answer()
    }

    /// `GET` of a path, and its answer.
    #[track_caller]
    pub fn get(&mut self, path: &str) -> Answer {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
    }

    /// The next answer.
    #[track_caller]
    pub fn answer(&mut self) -> Answer {
        self.try_answer()
            .unwrap_or_else(|error| panic!("reading an answer: {error}"))
    }

    pub fn try_answer(&mut self) -> io::Result<Answer> {
        let head = self.try_head()?;
        let mut body = Vec::new();
        self.try_body(&head, |piece| body.extend_from_slice(piece))?;
        Ok(Answer {
            status: head.status,
            fields: head.fields,
            body,
        })
    }

    /// The next answer's head, for answers to HEAD, and where the body is read by other means.
    #[track_caller]
    pub fn head(&mut self) -> Head {
        self.try_head()
            .unwrap_or_else(|error| panic!("reading an answer's head: {error}"))
    }

    /// RFC 9112 §4, §5, as strict as what the engine asks of requests.
    pub fn try_head(&mut self) -> io::Result<Head> {
        let line = self.try_line()?;
        let status = line
            .strip_prefix("HTTP/1.1 ")
            .and_then(|rest| rest.split_once(' '))
            .filter(|(status, _)| status.len() == 3)
            .and_then(|(status, _)| status.parse().ok())
            .ok_or_else(|| invalid(format!("{line:?} is no status line")))?;
        let mut fields = Vec::new();
        loop {
            let line = self.try_line()?;
            if line.is_empty() {
                return Ok(Head { status, fields });
            }
            let (name, value) = line
                .split_once(": ")
                .ok_or_else(|| invalid(format!("{line:?} is no field")))?;
            fields.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The body that goes with a head (RFC 9112 §6.3), piece by piece.
    pub fn try_body(&mut self, head: &Head, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        if head.status < 200 || head.status == 204 || head.status == 304 {
            return Ok(());
        }
        match (head.field("transfer-encoding"), head.field("content-length")) {
            (Some("chunked"), None) => self.chunked_body(sink),
            (None, Some(length)) => {
                let length = length
                    .parse()
                    .map_err(|_| invalid(format!("Content-Length: {length}")))?;
                self.pass(length, &mut sink)
            }
            (None, None) => {
                while self.start < self.received.len() || self.fill()? > 0 {
                    sink(&self.received[self.start..]);
                    self.start = self.received.len();
                }
                Ok(())
            }
            (coding, length) => Err(invalid(format!("framed by {coding:?} and {length:?}"))),
        }
    }

    fn chunked_body(&mut self, mut sink: impl FnMut(&[u8])) -> io::Result<()> {
        loop {
            let line = self.try_line()?;
            let size = u64::from_str_radix(&line, 16).map_err(|_| invalid(format!("{line:?} is no chunk size")))?;
            self.pass(size, &mut sink)?;
            let end = self.try_line()?;
            if !end.is_empty() {
                return Err(invalid(format!("{end:?} behind a chunk")));
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Hands on exactly that many bytes.
    fn pass(&mut self, mut count: u64, sink: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while count > 0 {
            if self.start == self.received.len() && self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let here = &self.received[self.start..];
            let here = &here[..here.len().min(usize::try_from(count).unwrap_or(usize::MAX))];
            sink(here);
            count -= here.len() as u64;
            self.start += here.len();
        }
        Ok(())
    }

    /// Exactly that many bytes.
    #[track_caller]
    pub fn exactly(&mut self, count: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        let result = self.pass(count, &mut |piece: &[u8]| bytes.extend_from_slice(piece));
        result.unwrap_or_else(|error| panic!("reading {count} bytes: {error} behind {}", bytes.len()));
        bytes
    }

    /// A line without its CRLF.
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.try_line()
            .unwrap_or_else(|error| panic!("reading a line: {error}"))
    }

    fn try_line(&mut self) -> io::Result<String> {
        let mut looked_at = self.start;
        loop {
            if let Some(at) = self.received[looked_at..].iter().position(|byte| *byte == b'\n') {
                let line = &self.received[self.start..looked_at + at];
                let line = line
                    .strip_suffix(b"\r")
                    .ok_or_else(|| invalid("a line ends in LF alone".into()))?;
                let line = line.iter().map(|byte| char::from(*byte)).collect(); // ISO 8859-1 takes all.
                self.start = looked_at + at + 1;
                return Ok(line);
            }
            let behind_start = self.received.len() - self.start;
            if self.fill()? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            looked_at = self.start + behind_start;
        }
    }

    /// Receives something; 0 at the end.
    fn fill(&mut self) -> io::Result<usize> {
        self.received.drain(..self.start);
        self.start = 0;
        let before = self.received.len();
        self.received.resize(before + READ_BYTES, 0);
        let result = loop {
            match self.stream.read(&mut self.received[before..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.received.truncate(before + *result.as_ref().unwrap_or(&0));
        result
    }

    /// Everything up to the end of the stream; an error where it is reset.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill()? > 0 {}
        Ok(std::mem::take(&mut self.received))
    }

    /// Asserts that the server has closed the connection in good order, and has sent nothing more.
    #[track_caller]
    pub fn assert_closed(&mut self) {
        match self.rest() {
            Ok(rest) if rest.is_empty() => {}
            Ok(rest) => panic!("more was sent: {}", rest[..rest.len().min(500)].escape_ascii()),
            Err(error) => panic!("the connection did not end in good order: {error}"),
        }
    }

    /// Whether nothing has come that has not been taken: no byte, no end, no error.
    pub fn is_silent(&self) -> bool {
        if self.start < self.received.len() {
            return false;
        }
        self.stream
            .set_nonblocking(true)
            .expect("a socket can be made non-blocking");
        let result = self.stream.peek(&mut [0]);
        self.stream
            .set_nonblocking(false)
            .expect("a socket can be made blocking");
        matches!(result, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Waits until the connection is gone in both directions, without reading (poll(2): POLLERR or POLLHUP).
    #[track_caller]
    pub fn wait_until_cut(&self) {
        let mut poll = libc::pollfd {
            fd: std::os::fd::AsRawFd::as_raw_fd(&self.stream),
            events: 0,
            revents: 0,
        };
        // SAFETY: `poll` is one writable pollfd, as the count says, with a descriptor that `self` keeps open.
        let ready = unsafe { libc::poll(&raw mut poll, 1, LIMIT.as_millis() as libc::c_int) };
        assert_eq!(ready, 1, "the connection was not cut");
    }
}

fn invalid(problem: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, problem)
}

fn field<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
    fields
        .iter()
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.as_str())
}

impl Head {
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    /// Whether the server says that it closes the connection.
    pub fn closes(&self) -> bool {
        self.field("connection")
            .is_some_and(|options| options.split(", ").any(|option| option == "close"))
    }
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.fields, name)
    }

    /// Whether the server says that it closes the connection.
    pub fn closes(&self) -> bool {
        self.field("connection")
            .is_some_and(|options| options.split(", ").any(|option| option == "close"))
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is text")
    }

    /// The status and the body, for the short way to write what is expected.
    pub fn is(&self) -> (u16, &str) {
        (self.status, self.text())
    }
}
