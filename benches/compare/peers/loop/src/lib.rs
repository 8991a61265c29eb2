//! What peers have in common: arguments and listeners of those with a runtime for each thread, and what the hand-written
//! loops know of HTTP/1.1: where a head ends ([`Heads`]), or also what httparse makes of it ([`Exchange`]). Neither knows
//! limits, timeouts or chunked bodies.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::SystemTime;

use httparse::{EMPTY_HEADER, Header, Request, Status};
use memchr::memmem;
use socket2::{Domain, Protocol, Socket, Type};

const LISTEN_BACKLOG: i32 = 4096;
const HEADERS_MAX: usize = 32;

static LARGE: [u8; 1 << 20] = [b'x'; 1 << 20];

/// The address and the number of threads that the runner asks for.
pub fn arguments() -> (SocketAddr, usize) {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().and_then(|a| a.parse().ok());
    let threads = arguments.next().and_then(|n| n.parse().ok());
    address.zip(threads).expect("ADDRESS THREADS")
}

/// A listener of one thread's own: the kernel spreads the connections over them.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking(),
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(socket.into())
}

/// Answers the same to every head, whatever it says.
#[derive(Default)]
pub struct Heads {
    date: Date,
}

impl Heads {
    /// Takes all whole heads from `received` and puts their answers into `out`.
    pub fn answer(&mut self, received: &mut Vec<u8>, out: &mut Vec<u8>) {
        self.date.refresh();
        let mut taken = 0;
        while let Some(at) = memmem::find(&received[taken..], b"\r\n\r\n") {
            taken += at + 4;
            HELLO.put(&self.date, STAYS, out);
        }
        received.drain(..taken);
    }
}

/// Parses each head with httparse, passes over the body and answers by the path.
#[derive(Default)]
pub struct Exchange {
    date: Date,
    current: Option<Current>,
}

/// A request whose head has been read.
struct Current {
    answer: &'static Answer,
    body_left: usize,
    last: bool,
}

impl Exchange {
    /// Takes what is whole from `received` and puts the answers into `out`. Says whether the connection stays.
    pub fn answer(&mut self, received: &mut Vec<u8>, out: &mut Vec<u8>) -> bool {
        self.date.refresh();
        let mut taken = 0;
        let stays = loop {
            let Some(current) = &mut self.current else {
                match head(&received[taken..]) {
                    Ok(Status::Complete((length, current))) => {
                        taken += length;
                        self.current = Some(current);
                        continue;
                    }
                    Ok(Status::Partial) => break true,
                    Err(_) => break false,
                }
            };
            let passed = current.body_left.min(received.len() - taken);
            taken += passed;
            current.body_left -= passed;
            if current.body_left > 0 {
                break true;
            }
            let last = current.last;
            let end = if last { CLOSES } else { STAYS };
            current.answer.put(&self.date, end, out);
            self.current = None;
            if last {
                break false;
            }
        };
        received.drain(..taken);
        stays
    }
}

fn head(received: &[u8]) -> httparse::Result<(usize, Current)> {
    let mut headers = [EMPTY_HEADER; HEADERS_MAX];
    let mut request = Request::new(&mut headers);
    let Status::Complete(length) = request.parse(received)? else {
        return Ok(Status::Partial);
    };
    let answer = match request.path {
        Some("/16k") => &LARGE_16K,
        Some("/1m") => &LARGE_1M,
        _ => &HELLO,
    };
    let mut current = Current {
        answer,
        body_left: 0,
        last: false,
    };
    for Header { name, value } in request.headers.iter() {
        if name.eq_ignore_ascii_case("content-length") {
            let value = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
            current.body_left = value.ok_or(httparse::Error::HeaderValue)?;
        } else if name.eq_ignore_ascii_case("connection") {
            current.last = value.eq_ignore_ascii_case(b"close");
        }
    }
    Ok(Status::Complete((length, current)))
}

struct Answer {
    /// Up to the date.
    head: &'static [u8],
    body: &'static [u8],
}

static HELLO: Answer = Answer {
    head: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 13\r\nDate: ",
    body: b"Hello, World!",
};

static LARGE_16K: Answer = Answer {
    head: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 16384\r\nDate: ",
    body: LARGE.split_at(16 << 10).0,
};

static LARGE_1M: Answer = Answer {
    head: b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 1048576\r\nDate: ",
    body: &LARGE,
};

/// What follows the date.
const STAYS: &[u8] = b"\r\n\r\n";
const CLOSES: &[u8] = b"\r\nConnection: close\r\n\r\n";

impl Answer {
    fn put(&self, date: &Date, end: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.head);
        out.extend_from_slice(date.text.as_bytes());
        out.extend_from_slice(end);
        out.extend_from_slice(self.body);
    }
}

/// The Date field's value, written once a second.
#[derive(Default)]
struct Date {
    second: u64,
    text: String,
}

impl Date {
    fn refresh(&mut self) {
        let now = SystemTime::now();
        let second = now.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs());
        if second != self.second || self.text.is_empty() {
            self.second = second;
            self.text = httpdate::fmt_http_date(now);
        }
    }
}
