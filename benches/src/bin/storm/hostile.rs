//! Clients that break off, break rules, or flood: one connection after another.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::answers::parse_all;
use crate::requests::{Last, Maker};
use crate::tally::{Tally, show};
use crate::valid::UPGRADE;
use crate::wire::{Cuts, End, Wire};

/// By when the server has ended a connection that has nothing more to send or sends nothing of use: its longest timeout
/// after which a connection is closed, and time to be late.
const END_LIMIT: Duration = Duration::from_secs(15);

/// Chunked bodies with an error (RFC 9112 §7.1).
const BAD_CHUNKS: &[&[u8]] = &[
    b"5\r\nabcdefg\r\n0\r\n\r\n",
    b"x\r\n",
    b"-1\r\n",
    b"+1\r\na\r\n0\r\n\r\n",
    b"0x1\r\na\r\n0\r\n\r\n",
    b" 1\r\na\r\n0\r\n\r\n",
    b"1 \r\na\r\n0\r\n\r\n",
    b"1\na\r\n0\r\n\r\n",
    b"ffffffffffffffff\r\na",
    b"fffffffffffffffff\r\na",
    b"1;a=\x01\r\na\r\n0\r\n\r\n",
    b"1\r\naX\r\n0\r\n\r\n",
    b"1\r\na\r\n0\r\nbad trailer\r\n\r\n",
    b"1\r\na\r\n0\r\nX: \x00\r\n\r\n",
    b"300001\r\n",
];

/// Heads with an error, most of them ones that servers have disagreed on.
const BAD_HEADS: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\nHost: a\n\n",
    b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n",
    b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /whole HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
    b"POST /whole HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nContent-Length: 1\r\n\r\na",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n folded\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
    b"GET /#fragment HTTP/1.1\r\nHost: a\r\n\r\n",
];

type Kind<'a> = (&'static str, fn(&mut Hostile<'a>, Wire));

pub struct Hostile<'a> {
    pub address: SocketAddr,
    pub maker: Maker,
    pub tally: &'a Tally,
    pub stop: &'a AtomicBool,
}

impl<'a> Hostile<'a> {
    const KINDS: [Kind<'a>; 15] = [
        ("connects and goes", Self::go),
        ("resets somewhere", Self::reset_somewhere),
        ("resets within the answer", Self::reset_within_answer),
        ("half-closes somewhere", Self::half_close_somewhere),
        ("sends garbage", Self::send_garbage),
        ("mutates requests", Self::mutate),
        ("mutates requests", Self::mutate),
        ("sends a huge head", Self::send_huge_head),
        ("sends many fields", Self::send_many_fields),
        ("breaks a rule of heads", Self::break_head),
        ("breaks a chunk", Self::break_chunk),
        ("floods and goes", Self::flood),
        ("vanishes while a handler pends", Self::vanish_while_pending),
        ("vanishes when told to continue", Self::vanish_when_told_to_continue),
        ("vanishes after an upgrade", Self::vanish_upgraded),
    ];

    pub fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            let (name, kind) = self.maker.random.one_of(&Self::KINDS);
            match Wire::connect(self.address, &mut self.maker.random) {
                Ok(wire) => {
                    self.tally.connected(name);
                    kind(&mut self, wire);
                }
                Err(error) => {
                    self.tally
                        .fail(&format!("a hostile client cannot connect: {error}"), "");
                    thread::sleep(Duration::from_millis(100));
                }
            }
        }
    }

    fn go(&mut self, wire: Wire) {
        self.pause(5);
        self.leave(wire);
    }

    fn reset_somewhere(&mut self, mut wire: Wire) {
        let bytes = self.requests();
        let end = self.maker.random.below(bytes.len() + 1);
        self.send(&mut wire, &bytes[..end]);
        self.pause(20);
        wire.receive(self.maker.random.below(10_000));
        self.check("resets somewhere", &bytes[..end], &wire);
        wire.reset();
    }

    fn reset_within_answer(&mut self, mut wire: Wire) {
        let target = self.maker.random.one_of(&["/large", "/chunks?n=200&size=5000"]);
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: storm\r\n\r\n").into_bytes();
        let enough = self.maker.random.below(1 << 20);
        let until = Instant::now() + END_LIMIT;
        wire.talk(&bytes, Cuts::None, &mut self.maker.random, until, |received| {
            received.len() >= enough
        });
        self.check("resets within the answer", &bytes, &wire);
        wire.reset();
    }

    fn half_close_somewhere(&mut self, mut wire: Wire) {
        let bytes = self.requests();
        let end = self.maker.random.below(bytes.len() + 1);
        self.send(&mut wire, &bytes[..end]);
        wire.finish_sending();
        self.await_end("half-closes somewhere", &bytes[..end], wire);
    }

    fn send_garbage(&mut self, wire: Wire) {
        let mut bytes: Vec<u8> = Vec::new();
        for _ in 0..self.maker.random.between(1, 3000) {
            match self.maker.random.below(20) {
                0 => bytes.extend_from_slice(b"\r\n"),
                1 => bytes.extend_from_slice(b"GET / HTTP/1.1\r\nHost: a\r\n"),
                2 => bytes.push(b':'),
                _ => bytes.push(self.maker.random.byte()),
            }
        }
        self.send_and_await_end("sends garbage", &bytes, wire);
    }

    fn mutate(&mut self, wire: Wire) {
        let mut bytes = self.requests();
        for _ in 0..self.maker.random.between(1, 6) {
            // Heads are where mutations matter most, and they come first.
            let within = if self.maker.random.once_in(3) {
                bytes.len()
            } else {
                bytes.len().min(300)
            };
            let at = self.maker.random.below(within);
            match self.maker.random.below(6) {
                0 => bytes[at] = self.maker.random.byte(),
                1 => bytes[at] ^= 1 << self.maker.random.below(8),
                2 => bytes.insert(at, self.maker.random.one_of(b"\r\n :;,\0\t%#09azAZ\x7f\xff")),
                3 => drop(bytes.drain(at..(at + self.maker.random.between(1, 9)).min(bytes.len()))),
                4 => {
                    let copied = bytes[at..(at + self.maker.random.between(1, 50)).min(bytes.len())].to_vec();
                    let to = self.maker.random.below(within);
                    bytes.splice(to..to, copied);
                }
                _ => bytes.truncate(at.max(1)),
            }
            if bytes.is_empty() {
                bytes.push(b'\n');
            }
        }
        self.send_and_await_end("mutates requests", &bytes, wire);
    }

    fn send_huge_head(&mut self, wire: Wire) {
        let length = self
            .maker
            .random
            .one_of(&[8_150, 8_193, 16_300, 20_000, 100_000, 1_000_000]);
        let mut bytes = match self.maker.random.below(3) {
            0 => format!("GET /{} HTTP/1.1\r\nHost: a\r\n", "t".repeat(length)),
            1 => format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n", "v".repeat(length)),
            _ => format!("GET / HTTP/1.1\r\nHost: a\r\n{}: v\r\n", "n".repeat(length)),
        };
        if self.maker.random.once_in(2) {
            bytes += "\r\n";
        }
        self.send_and_await_end("sends a huge head", bytes.as_bytes(), wire);
    }

    fn send_many_fields(&mut self, wire: Wire) {
        let count = self.maker.random.one_of(&[99, 100, 101, 300, 3000]);
        let mut bytes = "GET / HTTP/1.1\r\nHost: a\r\n".to_owned();
        (0..count).for_each(|number| bytes += &format!("X-{number}: v\r\n"));
        bytes += "\r\n";
        self.send_and_await_end("sends many fields", bytes.as_bytes(), wire);
    }

    fn break_head(&mut self, wire: Wire) {
        let mut bytes = if self.maker.random.once_in(2) {
            self.requests()
        } else {
            Vec::new()
        };
        bytes.extend_from_slice(self.maker.random.one_of(BAD_HEADS));
        if self.maker.random.once_in(2) {
            bytes.extend_from_slice(&self.requests());
        }
        self.send_and_await_end("breaks a rule of heads", &bytes, wire);
    }

    fn break_chunk(&mut self, wire: Wire) {
        let paths = ["/whole", "/count", "/stream", "/ignore", "/pending?ms=50"];
        let path = self.maker.random.one_of(&paths);
        let mut bytes = format!("POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
        for _ in 0..self.maker.random.below(20) {
            let length = self.maker.random.between(1, 3000);
            bytes.extend_from_slice(format!("{length:x}\r\n").as_bytes());
            bytes.resize(bytes.len() + length, b'a');
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(self.maker.random.one_of(BAD_CHUNKS));
        self.send_and_await_end("breaks a chunk", &bytes, wire);
    }

    /// Sends many requests and reads none of the answers.
    fn flood(&mut self, mut wire: Wire) {
        let request = self.requests();
        let bytes = request.repeat(self.maker.random.between(1, 1 + 300_000 / request.len()));
        let (until, mut at) = (Instant::now() + Duration::from_millis(200), 0);
        while at < bytes.len() && Instant::now() < until {
            let sent = wire.send(&bytes[at..]);
            at += sent;
            if sent == 0 {
                self.pause(5);
            }
        }
        self.pause(100);
        self.leave(wire);
    }

    fn vanish_while_pending(&mut self, mut wire: Wire) {
        let ms = self.maker.random.between(100, 2000);
        let bytes = format!("POST /pending?ms={ms} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        let end = self.maker.random.between(bytes.len() - 5, bytes.len());
        self.send(&mut wire, &bytes.as_bytes()[..end]);
        self.pause(30);
        if self.maker.random.once_in(4) {
            wire.finish_sending();
            self.pause(10);
        }
        self.leave(wire);
    }

    fn vanish_when_told_to_continue(&mut self, mut wire: Wire) {
        let request = self.maker.expecting();
        let until = Instant::now() + END_LIMIT;
        wire.talk(&request.head, Cuts::None, &mut self.maker.random, until, |received| {
            !received.is_empty()
        });
        self.check("vanishes when told to continue", &request.head, &wire);
        let part = self.maker.random.below(request.body.len());
        wire.send(&request.body[..part]);
        self.leave(wire);
    }

    fn vanish_upgraded(&mut self, mut wire: Wire) {
        let mut bytes = UPGRADE.to_vec();
        bytes.resize(bytes.len() + self.maker.random.below(300_000), b'u');
        self.send(&mut wire, &bytes);
        self.pause(30);
        wire.receive(self.maker.random.below(200_000));
        self.check("vanishes after an upgrade", UPGRADE, &wire);
        self.leave(wire);
    }

    /// Some valid requests, none of them HEAD, whose answers cannot be read without knowing that.
    fn requests(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for _ in 0..self.maker.random.one_of(&[1, 1, 1, 2, 5]) {
            let last = if self.maker.random.once_in(8) {
                Last::Close
            } else {
                Last::No
            };
            let request = self.maker.request(last);
            if !request.expected.head_only {
                bytes.extend_from_slice(&request.head);
                bytes.extend_from_slice(&request.body);
            }
        }
        if bytes.is_empty() {
            bytes.extend_from_slice(b"GET /small HTTP/1.1\r\nHost: storm\r\n\r\n");
        }
        bytes
    }

    fn send_and_await_end(&mut self, kind: &str, bytes: &[u8], mut wire: Wire) {
        self.send(&mut wire, bytes);
        // Without it the server has to end the connection by a timeout, where it does not for what was sent.
        if !self.maker.random.once_in(8) {
            wire.finish_sending();
        }
        self.await_end(kind, bytes, wire);
    }

    fn send(&mut self, wire: &mut Wire, bytes: &[u8]) {
        let cuts = Cuts::any(&mut self.maker.random);
        let until = Instant::now() + Duration::from_secs(3);
        wire.talk(bytes, cuts, &mut self.maker.random, until, |_| true);
    }

    fn await_end(&mut self, kind: &str, sent: &[u8], mut wire: Wire) {
        wire.listen(END_LIMIT, &mut self.maker.random);
        if wire.ended == End::Open {
            let details = format!("sent: {}\n  received: {}", show(sent), show(&wire.received));
            self.tally.fail(&format!("one that {kind} is not ended"), &details);
        }
        self.check(kind, sent, &wire);
    }

    fn check(&self, kind: &str, sent: &[u8], wire: &Wire) {
        match parse_all(&wire.received) {
            Ok(statuses) => self.tally.answered(&statuses),
            Err(problem) => {
                let details = format!(
                    "{problem}\n  sent: {}\n  received: {}",
                    show(sent),
                    show(&wire.received)
                );
                self.tally
                    .fail(&format!("one that {kind} is not answered in HTTP"), &details);
            }
        }
    }

    fn leave(&mut self, wire: Wire) {
        if self.maker.random.once_in(2) {
            wire.reset();
        }
    }

    fn pause(&mut self, milliseconds_max: usize) {
        thread::sleep(Duration::from_millis(
            self.maker.random.below(milliseconds_max + 1) as u64
        ));
    }
}
