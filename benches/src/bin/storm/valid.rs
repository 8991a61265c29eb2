//! Clients that do nothing wrong, and know byte by byte what they have to get.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringlane_benches::content::{self, content};

use crate::answers::{Parsed, parse};
use crate::requests::{Last, Maker, Request};
use crate::tally::{Tally, show};
use crate::wire::{Cuts, End, Wire};

/// How long a valid client waits for what it has to get.
const LIMIT: Duration = Duration::from_secs(30);
/// How many requests are sent without waiting, at the most.
const PIPELINE_MAX: usize = 20;

pub struct Valid<'a> {
    pub address: SocketAddr,
    pub maker: Maker,
    pub tally: &'a Tally,
    pub stop: &'a AtomicBool,
}

impl Valid<'_> {
    /// One connection after another.
    pub fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            self.connect();
        }
    }

    /// One connection.
    pub fn connect(&mut self) {
        match Wire::connect(self.address, &mut self.maker.random) {
            Ok(wire) => self.converse(wire),
            Err(error) => {
                self.tally.fail(&format!("a valid client cannot connect: {error}"), "");
                thread::sleep(Duration::from_millis(100));
            }
        }
    }

    fn converse(&mut self, mut wire: Wire) {
        self.tally.connected("valid");
        for _ in 0..self.maker.random.between(1, 8) {
            if self.maker.random.once_in(5) {
                thread::sleep(Duration::from_millis(self.maker.random.below(150) as u64));
            }
            let goes_on = match self.maker.random.below(12) {
                0 => self.expect(&mut wire),
                _ => self.pipeline(&mut wire, Last::No, false),
            };
            if !goes_on {
                return;
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
        }
        let ends = match self.maker.random.below(8) {
            0 => self.pipeline(&mut wire, Last::Close, false),
            1 => self.pipeline(&mut wire, Last::Old, false),
            2 | 3 => self.pipeline(&mut wire, Last::No, true),
            4 => self.expect_in_vain(&mut wire),
            5 => self.upgrade(&mut wire),
            _ => return, // The client ends the connection.
        };
        if ends {
            wire.listen(LIMIT, &mut self.maker.random);
            if wire.ended != End::Finished || !wire.received.is_empty() {
                self.tally.fail(
                    &format!(
                        "a valid connection should end after its last answer, and is {:?}",
                        wire.ended
                    ),
                    &show(&wire.received),
                );
            }
        }
    }

    /// Sends some requests at once, and wants their answers. True where all is well.
    fn pipeline(&mut self, wire: &mut Wire, last: Last, half_close: bool) -> bool {
        let count = match self.maker.random.below(3) {
            0 => self.maker.random.between(2, PIPELINE_MAX),
            _ => 1,
        };
        let mut requests: Vec<Request> = (1..count).map(|_| self.maker.request(Last::No)).collect();
        requests.push(self.maker.request(last));
        let mut bytes = Vec::new();
        for request in &requests {
            bytes.extend_from_slice(&request.head);
            bytes.extend_from_slice(&request.body);
        }
        let (mut check, until) = (Check::new(&requests), Instant::now() + LIMIT);
        let cuts = Cuts::any(&mut self.maker.random);
        if half_close {
            wire.talk(&bytes, cuts, &mut self.maker.random, until, |_| true);
            wire.finish_sending();
            wire.talk(b"", cuts, &mut self.maker.random, until, |received| {
                check.look(received, false)
            });
        } else {
            wire.talk(&bytes, cuts, &mut self.maker.random, until, |received| {
                check.look(received, false)
            });
        }
        self.judge(check, wire)
    }

    /// Sends a body only when it is told to continue.
    fn expect(&mut self, wire: &mut Wire) -> bool {
        let requests = [self.maker.expecting()];
        let [Request { head, body, .. }] = &requests;
        let (mut check, until) = (Check::new(&requests), Instant::now() + LIMIT);
        check.interim_allowed = true;
        if self.maker.random.once_in(4) {
            // RFC 9110 §10.1.1: the client may send its body without having been told to.
            let bytes = [&head[..], &body[..]].concat();
            wire.talk(&bytes, Cuts::None, &mut self.maker.random, until, |received| {
                check.look(received, false)
            });
            return self.judge(check, wire);
        }
        wire.talk(head, Cuts::None, &mut self.maker.random, until, |received| {
            check.look(received, false) || check.interim
        });
        if check.interim {
            let cuts = Cuts::any(&mut self.maker.random);
            wire.talk(body, cuts, &mut self.maker.random, until, |received| {
                check.look(received, false)
            });
        }
        self.judge(check, wire)
    }

    /// Gets its answer without having been told to continue.
    fn expect_in_vain(&mut self, wire: &mut Wire) -> bool {
        let requests = [self.maker.expecting_in_vain()];
        let (mut check, until) = (Check::new(&requests), Instant::now() + LIMIT);
        let head = &requests[0].head;
        wire.talk(head, Cuts::None, &mut self.maker.random, until, |received| {
            check.look(received, false)
        });
        self.judge(check, wire)
    }

    /// Leaves HTTP, and gets back what it sends.
    fn upgrade(&mut self, wire: &mut Wire) -> bool {
        const SWITCHED: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\n";
        let bytes = self.maker.random.between(0, 50_000);
        let sent = content(self.maker.random.below(content::BYTES - bytes), bytes);
        let until = Instant::now() + LIMIT;
        let mut request = UPGRADE.to_vec();
        request.extend_from_slice(sent);
        let echo_at = |received: &[u8]| {
            let end = received.windows(4).position(|window| window == b"\r\n\r\n");
            end.map(|end| end + 4).filter(|_| received.starts_with(SWITCHED))
        };
        let cuts = Cuts::any(&mut self.maker.random);
        wire.talk(&request, cuts, &mut self.maker.random, until, |received| {
            echo_at(received).is_some_and(|at| received.len() >= at + bytes)
        });
        let exact = echo_at(&wire.received).is_some_and(|at| wire.received[at..] == *sent);
        let mut counts = self.tally.counts();
        counts.sent += 1;
        *counts.statuses.entry(101).or_default() += 1;
        *(if exact { &mut counts.exact } else { &mut counts.wrong }) += 1;
        drop(counts);
        if !exact {
            let details = format!("{bytes} bytes sent, received: {}", show(&wire.received));
            self.tally.fail("an upgrade does not echo what was sent", &details);
        }
        wire.received.clear();
        wire.finish_sending();
        exact
    }

    /// Counts what became of the requests; what was received of them is done with. True where all is well.
    fn judge(&self, mut check: Check<'_>, wire: &mut Wire) -> bool {
        if !check.is_over() {
            check.look(&wire.received, wire.ended == End::Finished);
        }
        if check.is_done() && check.at < wire.received.len() {
            check.problem = Some("there are bytes behind the last answer".to_owned());
            check.done -= 1;
        }
        let rest = (check.requests.len() - check.done) as u64;
        let wrong = u64::from(check.problem.is_some());
        let refused = if check.refused { rest } else { 0 };
        let mut counts = self.tally.counts();
        counts.sent += check.requests.len() as u64;
        counts.exact += check.done as u64;
        counts.wrong += wrong;
        counts.refused += refused;
        counts.missing += rest - wrong - refused;
        drop(counts);
        self.tally.answered(&check.statuses);
        if rest > 0 && refused == 0 {
            let what = check.problem.as_deref().unwrap_or("an answer is missing");
            let request = &check.requests[check.done];
            let details = format!(
                "number {} of {} requests; the connection is {:?}\n  request: {} and a body of {} bytes\n  received: {}",
                check.done + 1,
                check.requests.len(),
                wire.ended,
                show(&request.head),
                request.body.len(),
                show(&wire.received[check.at..]),
            );
            self.tally.fail(what, &details);
        }
        wire.received.clear();
        rest == 0
    }
}

/// A request to be upgraded.
pub const UPGRADE: &[u8] = b"GET /upgrade HTTP/1.1\r\nHost: storm\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

/// How far the answers to some requests have come.
struct Check<'a> {
    requests: &'a [Request],
    /// So many answers are exact, and end here.
    done: usize,
    at: usize,
    problem: Option<String>,
    /// The server had no memory for the next one, and it may be that it has none.
    refused: bool,
    statuses: Vec<u16>,
    interim_allowed: bool,
    interim: bool,
}

impl<'a> Check<'a> {
    fn new(requests: &'a [Request]) -> Check<'a> {
        Check {
            requests,
            done: 0,
            at: 0,
            problem: None,
            refused: false,
            statuses: Vec::new(),
            interim_allowed: false,
            interim: false,
        }
    }

    fn is_done(&self) -> bool {
        self.done == self.requests.len()
    }

    /// Nothing more is to come, or something was wrong.
    fn is_over(&self) -> bool {
        self.is_done() || self.problem.is_some() || self.refused
    }

    /// Looks at all that has been received. True where it is over.
    fn look(&mut self, received: &[u8], ended: bool) -> bool {
        while !self.is_over() && self.at < received.len() {
            let expected = &self.requests[self.done].expected;
            match parse(&received[self.at..], expected.head_only, ended) {
                Ok(Parsed::Partial) => break,
                Ok(Parsed::Whole(answer)) if answer.is_interim() && self.interim_allowed && !self.interim => {
                    self.interim = true;
                    self.at += answer.bytes;
                    self.statuses.push(answer.status);
                }
                Ok(Parsed::Whole(answer)) => {
                    self.statuses.push(answer.status);
                    self.refused = expected.is_refusal(&answer);
                    if self.refused {
                        break;
                    }
                    self.problem = expected.problem(&answer);
                    if self.problem.is_none() {
                        self.done += 1;
                        self.at += answer.bytes;
                    }
                }
                Err(problem) => self.problem = Some(problem),
            }
        }
        self.is_over()
    }
}
