//! Tests of a whole core on the simulated ring: deterministic, without sockets and without waiting.

mod allocations;

use std::os::fd::RawFd;

use ringlane_pool::{Options, Pool};

use super::*;
use crate::handler::handler;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::ring::{Errno, Simulated};

/// A core with a service that answers in place, and its other side.
struct Bench {
    core: Core<Simulated>,
    ring: Simulated,
    pool: Pool,
}

async fn service(request: Request) -> Response {
    match request.path() {
        "/body" => match request.body().bytes(1 << 20).await {
            Ok(bytes) => Response::text(bytes),
            Err(error) => error.into_response(),
        },
        "/long" => Response::text("long ".repeat(4000)),
        "/panic" => panic!("expected by the test"),
        _ => Response::text(format!("{} {}", request.method(), request.target())),
    }
}

/// Runs a test of a core under an executor, which pending handlers need.
fn test(configure: impl FnOnce(&mut Config), run: impl AsyncFnOnce(Bench)) {
    let executor = glommio::LocalExecutorBuilder::new(glommio::Placement::Unbound)
        .io_memory(0)
        .make();
    executor.expect("an executor for a test").run(run(bench(configure)));
}

fn bench(configure: impl FnOnce(&mut Config)) -> Bench {
    let mut config = Config::default();
    configure(&mut config);
    config.validate().unwrap();
    let pool = Pool::new(Options {
        buffer_bytes: 1024,
        buffers_max: 256,
        buffers_step: 16,
    })
    .unwrap();
    let ring = Simulated::new(pool.clone());
    let shared = Rc::default();
    let core = Core::new(ring.clone(), pool.clone(), handler(service), shared, &config, 1000);
    Bench { core, ring, pool }
}

impl Bench {
    /// Runs rounds at one moment until nothing moves.
    async fn run(&mut self, now: Millis) {
        for _ in 0..100_000 {
            driver::yield_now().await;
            self.core
                .context
                .ring
                .enter(Wait::No, &mut self.core.completions)
                .unwrap();
            self.core.context.clock.set(now);
            if !self.core.work() && self.ring.is_quiet() {
                driver::yield_now().await; // Tasks that were let go of are dropped on their next turn.
                return;
            }
        }
        panic!("the core does not come to rest");
    }

    /// Everything that the server answers to these receives, followed by the end of the client's side.
    async fn answer(&mut self, pieces: &[&[u8]]) -> Vec<u8> {
        let client = self.ring.connect();
        for piece in pieces {
            self.ring.write(client, piece);
        }
        self.ring.end(client, Ok(()));
        self.run(0).await;
        assert!(self.ring.is_closed(client), "the connection is still open");
        self.ring.read(client)
    }

    /// Nothing is held any more: no connection, no buffer.
    fn assert_empty(&self) {
        assert_eq!(self.core.connections.len(), 0);
        assert_eq!(self.pool.counts().held, 0, "a buffer is still held");
    }
}

/// Requests of every kind behind one another; the last one ends the connection.
const MIXED: &[u8] = b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n\
    POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
    \r\nPOST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n2\r\nde\r\n0\r\nX-Trailer: t\r\n\r\n\
    HEAD /b HTTP/1.1\r\nHost: x\r\n\r\n\
    POST /ignored HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxyz\
    GET /long HTTP/1.1\r\nHost: x\r\n\r\n\
    GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n\
    GET /never HTTP/1.1\r\nHost: x\r\n\r\n";

fn without_dates(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).into_owned();
    text.split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Date: "))
        .collect()
}

#[test]
fn answers_are_the_same_however_the_requests_are_cut() {
    test(
        |_| {},
        async |mut bench| {
            let whole = without_dates(&bench.answer(&[MIXED]).await);
            assert_eq!(whole.matches("HTTP/1.1 200 OK").count(), 7, "{whole}");
            assert!(
                whole.contains("\r\n\r\nhello") && whole.contains("\r\n\r\nabcde") && !whole.contains("never"),
                "{whole}"
            );
            for at in 1..MIXED.len() {
                assert_eq!(
                    without_dates(&bench.answer(&[&MIXED[..at], &MIXED[at..]]).await),
                    whole,
                    "cut at {at}"
                );
            }
            let bytes: Vec<&[u8]> = MIXED.chunks(1).collect();
            assert_eq!(without_dates(&bench.answer(&bytes).await), whole);
            bench.assert_empty();
        },
    );
}

#[test]
fn answers_are_the_same_however_short_the_sends_are() {
    test(
        |_| {},
        async |mut bench| {
            let whole = without_dates(&bench.answer(&[MIXED]).await);
            for share in [1, 7, 100, 1024, 5000] {
                bench.ring.with(|kernel| kernel.send_bytes_max = share);
                assert_eq!(without_dates(&bench.answer(&[MIXED]).await), whole, "sends of {share}");
            }
            bench.assert_empty();
        },
    );
}

#[test]
fn a_reset_at_every_byte_leaves_nothing_behind() {
    test(
        |_| {},
        async |mut bench| {
            for at in 0..MIXED.len() {
                for share in [1, usize::MAX] {
                    bench.ring.with(|kernel| kernel.send_bytes_max = share);
                    let client = bench.ring.connect();
                    bench.ring.write(client, &MIXED[..at]);
                    bench.ring.end(client, Err(Errno(libc::ECONNRESET)));
                    bench.run(0).await;
                    assert!(bench.ring.is_closed(client));
                }
            }
            bench.assert_empty();
        },
    );
}

#[test]
fn a_receive_that_finds_no_buffer_is_armed_again() {
    test(
        |_| {},
        async |mut bench| {
            let whole = without_dates(&bench.answer(&[MIXED]).await);
            bench.ring.with(|kernel| kernel.buffers_missing = 20);
            let pieces: Vec<&[u8]> = MIXED.chunks(30).collect();
            assert_eq!(without_dates(&bench.answer(&pieces).await), whole);
            bench.assert_empty();
        },
    );
}

#[test]
fn completions_of_a_slot_before_do_not_reach_its_next_connection() {
    test(
        |_| {},
        async |mut bench| {
            let first = bench.ring.connect();
            bench.run(0).await;
            let stale = bench.ring.key(first).unwrap();
            bench.ring.end(first, Ok(()));
            bench.run(0).await;
            let second = bench.ring.connect();
            bench.run(0).await;
            assert_eq!(
                bench.ring.key(second).unwrap().index(),
                stale.index(),
                "the slot is used again"
            );
            let mut buffer = bench.pool.take().unwrap();
            buffer
                .extend_from_slice(b"GET /stale HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            bench.ring.complete(Completion::Received {
                key: stale,
                outcome: Ok(Some(buffer.freeze())),
                more: true,
            });
            bench.ring.complete(Completion::Received {
                key: stale,
                outcome: Err(Errno(libc::ECONNRESET)),
                more: false,
            });
            bench.run(0).await;
            assert!(bench.ring.read(second).is_empty() && !bench.ring.is_closed(second));
            bench.ring.end(second, Ok(()));
            bench.run(0).await;
            bench.assert_empty();
        },
    );
}

/// What a client sends, when it is looked at, and what it has got by then.
async fn at(bench: &mut Bench, client: RawFd, now: Millis) -> (String, bool) {
    bench.run(now).await;
    (
        String::from_utf8_lossy(&bench.ring.read(client)).into_owned(),
        bench.ring.is_closed(client),
    )
}

#[test]
fn every_wait_has_its_end() {
    // Sent bytes; the moment by which nothing may have happened; the moment by which it must have; the status, if any.
    let table: [(&[u8], Millis, Millis, &str); 5] = [
        (b"", 9_990, 12_000, ""),
        (b"GET / HTTP/1.1\r\nHos", 9_990, 12_000, "408"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", 9_990, 12_000, "408"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 74_990, 80_000, ""),
        (
            b"POST /ignored HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
            29_990,
            35_000,
            "",
        ),
    ];
    for (sent, before, after, status) in table {
        test(
            |_| {},
            async |mut bench| {
                let client = bench.ring.connect();
                bench.ring.write(client, sent);
                let (first, closed) = at(&mut bench, client, 0).await;
                assert!(!closed);
                assert_eq!(
                    first.starts_with("HTTP/1.1 200"),
                    sent.windows(4).any(|four| four == b"\r\n\r\n"),
                    "{first}"
                );
                assert_eq!(
                    at(&mut bench, client, before).await,
                    (String::new(), false),
                    "{}",
                    sent.escape_ascii()
                );
                let (last, closed) = at(&mut bench, client, after).await;
                assert!(
                    last.get(9..12).unwrap_or_default() == status,
                    "{}: {last}",
                    sent.escape_ascii()
                );
                // An answered one lingers for another two seconds.
                assert!(closed || !bench.ring.read(client).is_empty() || at(&mut bench, client, after + 3_000).await.1);
                bench.assert_empty();
            },
        );
    }
}

#[test]
fn a_flood_of_unread_pipelined_requests_is_held_back() {
    test(
        |config| {
            config.input_buffers_max = 4;
            config.output_bytes_max = 8 * 1024;
        },
        async |mut bench| {
            bench.ring.with(|kernel| kernel.send_bytes_max = 0);
            let client = bench.ring.connect();
            let request = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n";
            for _ in 0..2000 {
                bench.ring.write(client, request);
            }
            // Nothing is sent: a send of no bytes is an error, so keep it from completing by looking only at the receiving side.
            for _ in 0..50 {
                bench
                    .core
                    .context
                    .ring
                    .enter(Wait::No, &mut bench.core.completions)
                    .unwrap();
                bench
                    .core
                    .completions
                    .retain(|completion| !matches!(completion, Completion::Sent { .. }));
                bench.core.context.clock.set(0);
                bench.core.work();
            }
            assert!(!bench.ring.is_receiving(client), "it is still received from");
            assert!(bench.pool.counts().held < 64, "{:?}", bench.pool.counts());
        },
    );
}
