//! What a service is told besides requests, and what is counted of it.

use std::cell::RefCell;

use super::super::harness::{self, Harness};
use super::super::*;
use super::service;
use crate::event::{Event, TimeoutKind};
use crate::request::Request;
use crate::response::Response;
use crate::service::Service;

/// The service of all these tests, with a list of what it is told, but for the connections; an upgrade at `/upgrade`.
struct Recorder {
    told: Rc<RefCell<Vec<String>>>,
    opened: Rc<RefCell<[usize; 2]>>,
    panics: bool,
}

impl Service for Recorder {
    async fn call(&self, request: Request) -> Response {
        match request.path() {
            "/upgrade" => Response::upgrade("echo", async |_| {}),
            "/wait" => std::future::pending().await,
            _ => service(request).await,
        }
    }

    fn handle_event(&self, event: &Event<'_>) {
        match event {
            Event::ConnectionOpened => self.opened.borrow_mut()[0] += 1,
            Event::ConnectionClosed => self.opened.borrow_mut()[1] += 1,
            Event::Upgraded { protocol } => self.told.borrow_mut().push(format!("upgraded to {protocol}")),
            Event::HandlerPanicked => self.told.borrow_mut().push("panicked".to_owned()),
            Event::Refused { status, reason } => {
                self.told.borrow_mut().push(format!("{}: {reason}", status.as_u16()));
            }
            Event::TimedOut(kind) => self.told.borrow_mut().push(format!("{kind:?}")),
        }
        assert!(!self.panics, "expected by the test");
    }
}

struct Bench {
    harness: Harness,
    told: Rc<RefCell<Vec<String>>>,
    opened: Rc<RefCell<[usize; 2]>>,
}

impl Bench {
    fn told(&self) -> Vec<String> {
        self.told.take()
    }
}

fn test(panics: bool, run: impl AsyncFnOnce(Bench)) {
    harness::run(async || {
        let (told, opened) = (Rc::default(), Rc::default());
        let recorder = Recorder {
            told: Rc::clone(&told),
            opened: Rc::clone(&opened),
            panics,
        };
        let harness = Harness::new(recorder, |_| {});
        run(Bench { harness, told, opened }).await;
    });
}

#[test]
fn ordinary_requests_are_not_told_of_but_connections_are() {
    test(false, async |mut bench| {
        bench.harness.answer(&[super::MIXED]).await;
        bench.harness.answer(&[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]).await;
        assert_eq!(bench.told(), [""; 0]);
        assert_eq!(*bench.opened.borrow(), [2, 2]);
    });
}

/// What is sent, when the core looks at its clock, each time once more when all lingering is over, and what is told.
#[test]
fn refusals_panics_upgrades_and_timeouts_are_told_once_each() {
    let table: [(&[u8], &[Millis], &[&str]); 12] = [
        (b"GET / HTTP/1.1\r\n\r\n", &[], &["400"]),
        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", &[], &["505"]),
        (
            b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            &[],
            &["400"],
        ),
        (
            b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n",
            &[],
            &["413"],
        ),
        (
            b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
            &[40_000],
            &["Body", "Close"],
        ),
        (b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n", &[], &["panicked", "500"]),
        (
            b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
            &[],
            &["upgraded to echo"],
        ),
        (b"", &[11_000], &["Head"]),
        (b"GET / HTTP/1.1\r\n", &[11_000], &["Head", "408", "Close"]),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", &[76_000], &["Idle"]),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n", &[76_000], &["Idle"]),
        (
            b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nx",
            &[31_000],
            &["Body", "408", "Close"],
        ),
    ];
    for (sent, moments, expected) in table {
        test(false, async |mut bench| {
            let client = bench.harness.ring.connect();
            bench.harness.ring.write(client, sent);
            bench.harness.run(0).await;
            for now in moments {
                bench.harness.run(*now).await;
                bench.harness.run(now + 3_000).await;
            }
            let told = bench.told();
            let kinds: Vec<&str> = told.iter().filter_map(|told| told.split(':').next()).collect();
            assert_eq!(kinds, expected, "{}", sent.escape_ascii());
        });
    }
}

#[test]
fn a_client_that_does_not_read_times_out() {
    test(false, async |mut bench| {
        let client = bench.harness.ring.connect();
        bench.harness.ring.stall(client, true);
        bench
            .harness
            .ring
            .write(client, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
        for now in [0, 10_000, 20_000, 31_000, 40_000, 50_000, 60_000, 70_000] {
            bench.harness.run(now).await;
        }
        assert_eq!(bench.told(), [format!("{:?}", TimeoutKind::Write)]);
        assert_eq!(*bench.opened.borrow(), [1, 1]);
    });
}

#[test]
fn a_panic_of_the_one_who_is_told_ends_nothing() {
    test(true, async |mut bench| {
        let answer = bench.harness.answer(&[b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"]).await;
        assert!(answer.starts_with(b"HTTP/1.1 200"));
        bench.harness.answer(&[b"GET /panic HTTP/1.1\r\nHost: x\r\n\r\n"]).await;
        assert_eq!(bench.told().len(), 2);
        bench.harness.assert_empty();
    });
}

#[cfg(feature = "metrics")]
#[test]
fn what_is_sent_and_received_is_counted_to_the_byte_however_the_kernel_takes_it() {
    use std::sync::atomic::Ordering;

    for share in [1, 7, 100, usize::MAX] {
        test(false, async |mut bench| {
            bench.harness.ring.faults(|faults| {
                faults.send_bytes_max = share;
                faults.steps_blocked = 3;
            });
            let answer = bench.harness.answer(&[super::MIXED]).await;
            bench.harness.run(1).await;
            let tally = bench.harness.core.context.counters.tally();
            let at = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
            let cells = tally.cells();
            assert_eq!(at(&cells.bytes_received), super::MIXED.len() as u64);
            assert_eq!(at(&cells.bytes_sent), answer.len() as u64, "sends of {share}");
            assert_eq!(cells.responses.each_ref().map(at), [0, 7, 0, 0, 0]);
            assert_eq!(cells.latencies.buckets().iter().sum::<u64>(), 7);
            assert_eq!((at(&cells.opened), at(&cells.closed)), (1, 1));
        });
    }
}
