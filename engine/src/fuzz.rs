//! Any bytes as the lives of some connections: writes, reads, waits, closes and the kernel's failures, in any order.
//!
//! Not part of the public API. The fuzz target calls [`connection`]; `cargo test` runs it over the seeds. A core runs on
//! the simulated ring, so that there are neither sockets nor a clock, and every run of an input is the same.
//!
//! The input is a program. Its first byte chooses between two kinds of run:
//!
//! - **Calm.** Nothing happens that may change an answer: the bytes come in whatever pieces, sends are short, buffers are
//!   missing, multishot operations end, cancellations come late. At the end the answers must be the ones that a core gives
//!   to the same bytes in one piece without any of that.
//! - **Storm.** Everything may happen: resets, timeouts, stalls, completions of long ago, handlers that never end, streams
//!   that fail, the server stopping.
//!
//! After either nothing may be left: no connection, exchange, task, buffer, timer or operation.

use std::os::fd::RawFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::body::BodyError;
use crate::config::Config;
use crate::core::harness::{self, Harness, without_dates};
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::ring::{Completion, Errno, Received};
use crate::timers::Millis;

/// How many clients there can be at a time.
const CLIENTS: usize = 4;

/// Requests that a mutation would not easily find.
const SNIPPETS: [&[u8]; 16] = [
    b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
    b"HEAD /long HTTP/1.1\r\nHost: x\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\nhello world",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nT: t\r\n\r\n",
    b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /empty HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    b"GET /stream HTTP/1.0\r\n\r\n",
    b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
    b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n",
    b"POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab",
    b"POST /fail HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\n",
    b"GET /short HTTP/1.1\r\nHost: x\r\n\r\n",
];

/// Runs one input.
pub fn connection(input: &[u8]) {
    let Some((&kind, program)) = input.split_first() else {
        return;
    };
    harness::run(async || {
        if kind % 2 == 0 {
            Run::new(true).calm(program).await;
        } else {
            Run::new(false).storm(program).await;
        }
    });
}

/// Answers after the whole body has been read, so that no answer depends on when the body came.
async fn calm(request: Request) -> Response {
    let body = match request.body().bytes(1 << 16).await {
        Ok(body) => body,
        Err(error) => return error.into_response(),
    };
    match request.path() {
        "/long" => Response::text("long ".repeat(1000)),
        "/stream" => Response::stream("text/plain", Pieces::new(7, true)),
        "/empty" => Response::new(http::StatusCode::NO_CONTENT),
        "/later" => {
            yield_times(3).await;
            Response::text("later")
        }
        "/up" => upgrade(),
        _ => Response::text(format!(
            "{} {} {}",
            request.method(),
            request.target(),
            body.escape_ascii()
        )),
    }
}

/// Handlers as bad as there are, and the calm ones. `_alive` is dropped with the future.
async fn wild(request: Request, _alive: Rc<()>) -> Response {
    match request.path() {
        "/never" => std::future::pending().await,
        "/a" => Response::text("a"),
        "/fail" => Response::stream("text/plain", Pieces::new(3, false)),
        "/short" => Response::stream_of_length("text/plain", 1_000, Pieces::new(2, true)),
        "/stream" => Response::stream("text/plain", request.body()),
        _ => calm(request).await,
    }
}

fn upgrade() -> Response {
    Response::upgrade("echo", |mut connection| async move {
        while let Some(Ok(chunk)) = connection.next().await {
            if connection.send(chunk).await.is_err() {
                break;
            }
        }
    })
}

/// A stream of some pieces of several lengths, which waits in front of each, and may fail at its end.
struct Pieces {
    left: usize,
    waited: bool,
    ends_well: bool,
}

impl Pieces {
    fn new(count: usize, ends_well: bool) -> Pieces {
        Pieces {
            left: count,
            waited: false,
            ends_well,
        }
    }
}

impl futures_core::Stream for Pieces {
    type Item = Result<Vec<u8>, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.waited = !self.waited;
        if self.waited {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.left == 0 {
            return Poll::Ready((!self.ends_well).then_some(Err(BodyError::Closed)));
        }
        self.left -= 1;
        Poll::Ready(Some(Ok(vec![b'a' + self.left as u8; 1 << (self.left * 2)])))
    }
}

async fn yield_times(times: usize) {
    for _ in 0..times {
        crate::core::yield_now().await;
    }
}

/// One core, its clients, and what they have sent and got.
struct Run {
    harness: Harness,
    clients: Vec<Client>,
    now: Millis,
    alive: Rc<()>,
}

struct Client {
    socket: RawFd,
    sent: Vec<u8>,
    got: Vec<u8>,
    ended: bool,
    closed: bool,
}

/// The bytes of a program, taken one after the other.
struct Program<'a>(&'a [u8]);

impl Program<'_> {
    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    fn argument(&mut self) -> usize {
        usize::from(self.next().unwrap_or(0))
    }

    fn take(&mut self, count: usize) -> &[u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }
}

impl Run {
    fn new(is_calm: bool) -> Run {
        let alive = Rc::new(());
        let token = Rc::clone(&alive);
        let service = async move |request: Request| {
            if is_calm {
                calm(request).await
            } else {
                wild(request, Rc::clone(&token)).await
            }
        };
        let configure = |config: &mut Config| {
            config.head_bytes_max = 2048;
            config.target_bytes_max = 512;
            config.output_bytes_max = 4096;
            config.input_buffers_max = 4;
            config.fields_max = 16;
            if is_calm {
                // What is thrown away, and whether the connection goes on behind it, depends on when it came.
                config.discard_bytes_max = 1 << 40;
                config.body_bytes_max = 1 << 15;
            }
        };
        Run {
            harness: Harness::new(service, configure),
            clients: Vec::new(),
            now: 0,
            alive,
        }
    }

    /// The client that a program's byte means: one that is there, or a new one.
    fn client(&mut self, choice: usize) -> usize {
        let choice = choice % CLIENTS;
        if choice < self.clients.len() && !self.clients[choice].closed {
            return choice;
        }
        let client = Client {
            socket: self.harness.ring.connect(),
            sent: Vec::new(),
            got: Vec::new(),
            ended: false,
            closed: false,
        };
        if choice < self.clients.len() {
            self.clients[choice] = client;
            return choice;
        }
        self.clients.push(client);
        self.clients.len() - 1
    }

    fn write(&mut self, client: usize, bytes: &[u8]) {
        let client = &mut self.clients[client];
        if !client.ended {
            self.harness.ring.write(client.socket, bytes);
            client.sent.extend_from_slice(bytes);
        }
    }

    fn end(&mut self, client: usize, end: Result<(), Errno>) {
        let client = &mut self.clients[client];
        if !std::mem::replace(&mut client.ended, true) || end.is_err() {
            self.harness.ring.end(client.socket, end); // A reset may also follow a half-close.
        }
    }

    /// Takes what the server has sent; a socket's number may be used again once it is closed.
    fn collect(&mut self) {
        for client in self.clients.iter_mut().filter(|client| !client.closed) {
            client.got.extend(self.harness.ring.read(client.socket));
            client.closed = self.harness.ring.is_closed(client.socket);
        }
    }

    /// A step that changes no answer. False where the operation is none of those.
    async fn step(&mut self, operation: u8, program: &mut Program<'_>) -> bool {
        match operation % 16 {
            0 | 1 => {
                let (client, count) = (self.client(program.argument()), program.argument() % 64 + 1);
                let bytes = program.take(count).to_vec();
                self.write(client, &bytes);
            }
            2 => {
                let client = self.client(program.argument());
                let snippet = SNIPPETS[program.argument() % SNIPPETS.len()];
                self.write(client, snippet);
            }
            3 => {
                let client = self.client(program.argument());
                for byte in SNIPPETS[program.argument() % SNIPPETS.len()].chunks(1) {
                    self.write(client, byte);
                }
            }
            4 => {
                let share = [1, 2, 7, 100, 1000, usize::MAX][program.argument() % 6];
                self.harness.ring.faults(|faults| faults.send_bytes_max = share);
            }
            5 => {
                let (which, count) = (program.argument(), program.argument() % 8);
                self.harness.ring.faults(|faults| match which % 6 {
                    0 => faults.buffers_missing = count,
                    1 => faults.receives_ending = count,
                    2 => faults.receives_interrupted = count,
                    3 => faults.sends_interrupted = count,
                    4 => faults.steps_blocked = count,
                    _ => faults.cancel_lag = count as u64 % 3,
                });
            }
            6 => {
                self.harness.turn(self.now).await;
            }
            7 => self.harness.run(self.now).await,
            8 => {
                let (client, letters) = (self.client(program.argument()), program.argument() * 16);
                self.write(client, &vec![b'x'; letters]);
            }
            _ => return false,
        }
        self.collect();
        true
    }

    async fn calm(mut self, program: &[u8]) {
        let mut program = Program(program);
        while let Some(operation) = program.next() {
            self.step(operation, &mut program).await;
        }
        self.harness.run(0).await;
        for client in 0..self.clients.len() {
            self.end(client, Ok(()));
        }
        self.harness.run(0).await;
        self.collect();
        for client in &self.clients {
            assert!(client.closed, "a connection is open behind the client's end");
            let whole = answer_at_once(&client.sent).await;
            let (whole, got) = (without_dates(&whole), without_dates(&client.got));
            // Whether there is a 100, and what comes behind an answer without one, depends on when the body comes
            // (RFC 9110 §10.1.1).
            if !client.sent.to_ascii_lowercase().windows(6).any(|six| six == b"expect") {
                assert_eq!(got, whole, "for {}", client.sent.escape_ascii());
            }
        }
        self.harness.assert_empty();
    }

    async fn storm(mut self, program: &[u8]) {
        let mut program = Program(program);
        let mut stale = Vec::new();
        while let Some(operation) = program.next() {
            if self.step(operation, &mut program).await {
                continue;
            }
            match operation % 16 {
                9 => {
                    let client = self.client(program.argument());
                    self.end(client, Ok(()));
                }
                10 => {
                    let client = self.client(program.argument());
                    self.end(client, Err(Errno(libc::ECONNRESET)));
                }
                11 => self.now += program.argument() as Millis * 250,
                12 => {
                    let (client, stalls) = (self.client(program.argument()), program.argument() % 2 == 1);
                    self.harness.ring.stall(self.clients[client].socket, stalls);
                }
                13 => {
                    let client = self.client(program.argument());
                    self.harness.turn(self.now).await;
                    self.collect();
                    if !self.clients[client].closed {
                        stale.extend(self.harness.ring.key(self.clients[client].socket));
                    }
                }
                14 => {
                    let choice = program.argument();
                    let Some(&key) = stale.get(choice % stale.len().max(1)) else {
                        continue;
                    };
                    if self.harness.knows(key) {
                        continue; // Not stale yet.
                    }
                    self.harness.ring.complete(match self.harness.pool.take() {
                        Some(mut buffer) if choice < 128 => {
                            let _ = buffer.extend_from_slice(SNIPPETS[0]);
                            let view = buffer.freeze();
                            Completion::Received(Received { key, view, more: true })
                        }
                        _ => Completion::NothingReceived {
                            key,
                            outcome: Err(Errno(libc::ECANCELED)),
                            more: false,
                        },
                    });
                }
                _ if program.argument() == 255 => {
                    self.harness.drain();
                }
                _ => {}
            }
        }
        // The end of all things: nobody reads or writes any more, and time goes on.
        self.harness.ring.faults(|faults| faults.cancel_lag = 0);
        self.collect();
        for client in 0..self.clients.len() {
            if !self.clients[client].closed {
                self.harness.ring.stall(self.clients[client].socket, false);
                self.end(client, Err(Errno(libc::ECONNRESET)));
            }
        }
        for _ in 0..8 {
            self.harness.run(self.now).await;
            self.now += 100_000;
        }
        self.collect();
        self.harness.assert_empty();
        assert_eq!(Rc::strong_count(&self.alive), 2, "a handler's future is still alive");
    }
}

/// What a core answers to the bytes when nothing comes in between.
async fn answer_at_once(bytes: &[u8]) -> Vec<u8> {
    let mut run = Run::new(true);
    let client = run.client(0);
    run.write(client, bytes);
    run.harness.run(0).await;
    run.end(client, Ok(()));
    run.harness.run(0).await;
    run.collect();
    run.harness.assert_empty();
    run.clients.swap_remove(client).got
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_seeds_hold() {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/connection");
        let mut count = 0;
        for entry in std::fs::read_dir(corpus).unwrap() {
            super::connection(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "there are no seeds");
    }

    #[test]
    fn random_programs_hold() {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        for _ in 0..300 {
            let program: Vec<u8> = (0..120)
                .map(|_| {
                    state ^= state << 13;
                    state ^= state >> 7;
                    state ^= state << 17;
                    (state >> 32) as u8
                })
                .collect();
            super::connection(&program);
        }
    }
}
