//! What the kernel and the network may do to a core at the worst moment.

use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::super::harness::{self, Harness, without_dates};
use super::super::*;
use super::{MIXED, allocations, test};
use crate::request::Request;
use crate::response::Response;
use crate::ring::{Ended, Errno};

/// A stream that sends one chunk and then nothing, for as long as it is there.
struct OneChunk {
    is_first: bool,
    _token: Rc<()>,
}

impl futures_core::Stream for OneChunk {
    type Item = Result<&'static str, crate::BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::replace(&mut self.is_first, false) {
            return Poll::Ready(Some(Ok("one")));
        }
        Poll::Pending
    }
}

/// Waits forever, in one way or another, and keeps the token meanwhile.
async fn waits(request: Request, token: Rc<()>) -> Response {
    match request.path() {
        "/body" => {
            let _ = request.body().bytes(1 << 20).await;
            Response::text("the body is here")
        }
        "/stream" => Response::stream(
            "text/plain",
            OneChunk {
                is_first: true,
                _token: token,
            },
        ),
        "/upgrade" => Response::upgrade("echo", move |mut stream| async move {
            let _token = token;
            while let Some(Ok(chunk)) = stream.next().await {
                let _ = stream.send(chunk).await;
            }
        }),
        _ => std::future::pending().await,
    }
}

/// A core whose handlers wait forever, and how many of them there are.
fn waiting(configure: impl FnOnce(&mut Config)) -> (Harness, Rc<()>) {
    let token = Rc::new(());
    let kept = Rc::clone(&token);
    let service = move |request: Request| waits(request, Rc::clone(&kept));
    (
        Harness::new(async move |request| service(request).await, configure),
        token,
    )
}

const STAGES: [&[u8]; 6] = [
    b"GET /never HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /never HTTP/1.1\r\nHost: x\r\n\r\nGET /never HTTP/1.1\r\n",
    b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhal",
    b"POST /body HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n",
    b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /upgrade HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\nsome input",
];

#[test]
fn a_client_that_vanishes_ends_whatever_waits_for_it() {
    harness::run(async || {
        for stage in STAGES {
            for half_closed_first in [false, true] {
                let (mut harness, token) = waiting(|_| {});
                let client = harness.ring.connect();
                harness.ring.write(client, stage);
                harness.run(0).await;
                if half_closed_first {
                    harness.ring.end(client, Ok(()));
                    harness.run(0).await;
                }
                harness.ring.end(client, Err(Errno(libc::ECONNRESET)));
                harness.run(0).await;
                assert!(
                    harness.ring.is_closed(client) || half_closed_first,
                    "{}",
                    stage.escape_ascii()
                );
                harness.run(3_000).await; // An incomplete body's half-close is answered, and lingers.
                harness.assert_empty();
                assert_eq!(
                    Rc::strong_count(&token),
                    2,
                    "{}: it is still there",
                    stage.escape_ascii()
                );
            }
        }
    });
}

#[test]
fn a_client_that_only_half_closes_keeps_its_handler() {
    harness::run(async || {
        let (mut harness, token) = waiting(|_| {});
        let client = harness.ring.connect();
        harness.ring.write(client, STAGES[0]);
        harness.ring.end(client, Ok(()));
        harness.run(1_000_000).await;
        assert_eq!((harness.ring.is_closed(client), Rc::strong_count(&token)), (false, 3));
        harness.ring.end(client, Err(Errno(libc::ECONNRESET)));
        harness.run(1_000_000).await;
        harness.assert_empty();
    });
}

#[test]
fn clients_that_vanish_leave_no_memory_behind() {
    harness::run(async || {
        let (mut harness, _token) = waiting(|_| {});
        let mut before = 0;
        for round in 0..600 {
            if round == 200 {
                before = allocations::live_bytes();
            }
            let client = harness.ring.connect();
            harness.ring.write(client, STAGES[round % STAGES.len()]);
            harness.run(0).await;
            harness.ring.end(client, Err(Errno(libc::ECONNRESET)));
            harness.run(0).await;
        }
        harness.assert_empty();
        let left = allocations::live_bytes() - before;
        assert!(left < 400 * 8, "400 clients left {left} bytes");
    });
}

#[test]
fn every_fault_of_the_kernel_is_made_good() {
    test(
        |config| config.input_buffers_max = 2,
        async |mut harness| {
            let whole = without_dates(&harness.answer(&[MIXED]).await);
            let pieces: Vec<&[u8]> = MIXED.chunks(20).collect();
            let faults: [fn(&mut crate::ring::Faults); 7] = [
                |faults| faults.buffers_missing = 15,
                |faults| faults.receives_ending = 15,
                |faults| faults.receives_interrupted = 15,
                |faults| faults.sends_interrupted = 5,
                |faults| faults.steps_blocked = 15,
                |faults| faults.cancel_lag = 1,
                |faults| faults.cancel_lag = 3,
            ];
            for (number, fault) in faults.into_iter().enumerate() {
                for share in [33, usize::MAX] {
                    harness.ring.faults(|faults| {
                        *faults = crate::ring::Faults::default();
                        faults.send_bytes_max = share;
                        fault(faults);
                    });
                    let answer = without_dates(&harness.answer(&pieces).await);
                    assert_eq!(answer, whole, "fault {number} with sends of {share}");
                    harness.assert_empty();
                }
            }
        },
    );
}

#[test]
fn a_send_that_completes_while_it_is_cancelled_is_given_back_once() {
    for lag in [0, 1] {
        test(
            |_| {},
            async |mut harness| {
                let client = harness.ring.connect();
                harness.ring.stall(client, true);
                harness.ring.write(client, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
                harness.run(0).await;
                harness.ring.end(client, Err(Errno(libc::ECONNRESET)));
                harness.ring.stall(client, false);
                harness.ring.faults(|faults| {
                    faults.cancel_lag = lag;
                    faults.send_bytes_max = 1;
                });
                // Another connection takes the slot while the send of the one before is under way.
                let next = harness.ring.connect();
                harness.run(0).await;
                assert_eq!(harness.ring.ended(next), Ended::No);
                harness.ring.end(next, Ok(()));
                harness.run(0).await;
                harness.assert_empty();
            },
        );
    }
}

/// A core that accepts connections, as far as it may.
fn accepting(configure: impl FnOnce(&mut Config)) -> Harness {
    let mut harness = Harness::new(super::service, configure);
    let address = "127.0.0.1:0".parse().unwrap();
    let (_, mut listeners) = Listener::bind(address, 1, &Config::default()).unwrap();
    harness.core.start(listeners.remove(0), Arc::default(), 0);
    harness
}

const GET_AND_CLOSE: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[test]
fn without_descriptors_accepting_waits_and_loses_nobody() {
    harness::run(async || {
        let mut harness = accepting(|_| {});
        harness.ring.faults(|faults| faults.descriptors_missing = 3);
        let clients: Vec<_> = (0..20).map(|_| harness.ring.connect()).collect();
        for &client in &clients {
            harness.ring.write(client, GET_AND_CLOSE);
        }
        for now in [0, 99] {
            harness.run(now).await;
            assert!(!harness.ring.is_accepting(), "at {now} ms it tries again already");
            assert_eq!(
                harness.core.next_wait().map(|wait| wait.as_millis()),
                Some(100 - u128::from(now))
            );
        }
        harness.run(100).await; // And fails, and once more at 200.
        harness.run(250).await;
        harness.run(400).await;
        assert!(harness.ring.is_accepting());
        for client in clients {
            let (answer, closed) = harness.at(client, 400).await;
            assert!(answer.starts_with("HTTP/1.1 200") && closed);
        }
        assert_eq!(harness.core.connections.len(), 0);
    });
}

#[test]
fn without_descriptors_at_the_limit_of_connections_the_core_sleeps() {
    harness::run(async || {
        let mut harness = accepting(|config| config.connections_max = NonZeroU32::new(1));
        let first = harness.ring.connect();
        harness.run(0).await;
        assert_eq!(harness.core.connections.len(), 1);
        // The accept was cancelled at the limit; its last word is that there was no descriptor for one more.
        harness.ring.complete(Completion::Accepted {
            outcome: Err(Errno(libc::EMFILE)),
            more: false,
        });
        harness.run(10).await;
        harness.run(200).await;
        let wait = harness.core.next_wait();
        assert!(wait > Some(Duration::from_secs(1)), "it would wake in {wait:?}");
        harness.ring.end(first, Ok(()));
        harness.run(200).await;
        assert!(harness.ring.is_accepting(), "with room again it accepts");
    });
}

#[test]
fn at_the_limit_of_connections_the_rest_waits_in_the_queue() {
    harness::run(async || {
        let mut harness = accepting(|config| config.connections_max = NonZeroU32::new(3));
        let clients: Vec<_> = (0..10).map(|_| harness.ring.connect()).collect();
        for now in 0..10 {
            harness.run(now).await;
            let open = harness.core.connections.len();
            assert!(open == 3.min(10 - now as usize), "{open} are open");
            let first = clients[now as usize];
            harness.ring.write(first, GET_AND_CLOSE);
            assert!(harness.at(first, now).await.0.starts_with("HTTP/1.1 200"));
            assert_eq!(harness.ring.ended(first), Ended::Closed);
        }
        harness.run(10).await;
        assert_eq!(harness.core.connections.len(), 0);
        assert!(harness.ring.is_accepting(), "with room again it accepts");
    });
}

/// However accepting stands when the server is told to stop: it ends, and what waits in the queue is answered.
#[test]
fn a_stop_at_the_limit_of_connections_ends() {
    harness::run(async || {
        let mut harness = accepting(|config| {
            config.connections_max = NonZeroU32::new(1);
            config.drain_idle_timeout = Duration::from_millis(10);
        });
        let first = harness.ring.connect();
        harness.run(0).await;
        harness.core.control.give(Order::Drain);
        harness.ring.complete(Completion::Readable);
        harness.run(1).await;
        harness.run(20).await;
        assert!(harness.ring.is_closed(first), "it was idle");
        let wait = harness.core.next_wait();
        assert!(wait <= Some(Duration::from_millis(50)), "it would sleep for {wait:?}");
        harness.run(60).await;
        assert_eq!(harness.core.stopped(), Some(0));
    });
}

/// The kernel may end a watch by itself, say where completions overflow.
#[test]
fn a_watch_that_ends_is_set_again() {
    harness::run(async || {
        let (mut harness, token) = waiting(|_| {});
        let client = harness.ring.connect();
        harness.ring.write(
            client,
            b"POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\n",
        );
        harness.ring.write(client, &[b'x'; 50_000]);
        harness.run(0).await;
        let key = harness
            .ring
            .watched(client)
            .expect("it is watched while it is not received from");
        harness.ring.complete(Completion::WatchEnded { key });
        harness.run(0).await;
        assert_eq!(harness.ring.watches(client), 2);
        harness.ring.end(client, Err(Errno(libc::ECONNRESET)));
        harness.run(0).await;
        assert_eq!(Rc::strong_count(&token), 2, "its handler is gone");
        harness.assert_empty();
    });
}
