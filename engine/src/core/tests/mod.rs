//! Tests of a whole core on the simulated ring: deterministic, without sockets and without waiting.

mod allocations;
mod conformance;
mod events;
mod faults;
mod greed;
#[cfg(feature = "layers")]
mod layers;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::os::fd::RawFd;
use std::pin::Pin;

use futures_io::AsyncWrite;

use super::harness::{self, Harness, without_dates};
use super::*;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::ring::{Ended, Errno, Received, Simulated};

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

/// Runs a test of a core with that service.
fn test(configure: impl FnOnce(&mut Config), run: impl AsyncFnOnce(Harness)) {
    harness::run(async || run(Harness::new(service, configure)).await);
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

#[test]
fn answers_are_the_same_however_the_requests_are_cut() {
    test(
        |_| {},
        async |mut harness| {
            let whole = without_dates(&harness.answer(&[MIXED]).await);
            assert_eq!(whole.matches("HTTP/1.1 200 OK").count(), 7, "{whole}");
            assert!(
                whole.contains("\r\n\r\nhello") && whole.contains("\r\n\r\nabcde") && !whole.contains("never"),
                "{whole}"
            );
            for at in 1..MIXED.len() {
                assert_eq!(
                    without_dates(&harness.answer(&[&MIXED[..at], &MIXED[at..]]).await),
                    whole,
                    "cut at {at}"
                );
            }
            let bytes: Vec<&[u8]> = MIXED.chunks(1).collect();
            assert_eq!(without_dates(&harness.answer(&bytes).await), whole);
            harness.assert_empty();
        },
    );
}

#[test]
fn who_sends_a_long_body_is_received_from_in_bundles() {
    const LONG: usize = 20_000;
    test(
        |_| {},
        async |mut harness| {
            let (before, behind) = (harness.ring.connect(), harness.ring.connect());
            harness.ring.write(before, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
            harness.ring.write(
                behind,
                b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
            );
            harness.run(0).await;
            assert!(harness.ring.is_receiving(before) && harness.ring.is_receiving(behind));
            for client in [before, behind] {
                assert!(!harness.ring.is_receiving_in_bundles(client), "nothing long has come");
                harness.ring.read(client);
                let head = format!("POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: {LONG}\r\n\r\n");
                harness.ring.write(client, head.as_bytes());
                for piece in [b'x'; LONG].chunks(3000) {
                    harness.ring.write(client, piece);
                    harness.turn(0).await;
                }
                let (answer, _) = harness.at(client, 0).await;
                assert!(answer.ends_with(&"x".repeat(LONG)), "{} bytes", answer.len());
                assert!(harness.ring.is_receiving_in_bundles(client));
                harness.ring.end(client, Ok(()));
                harness.run(0).await;
            }
            harness.assert_empty();
        },
    );
}

/// Also where both directions have ended before.
#[test]
fn an_upgraded_connection_ends_when_its_handler_lets_go_of_it() {
    let may_go = Rc::<Cell<bool>>::default();
    let told = Rc::clone(&may_go);
    let service = async move |_: Request| {
        let may_go = Rc::clone(&told);
        Response::upgrade("test", move |mut stream| async move {
            while stream.next().await.is_some() {}
            let _ = poll_fn(|context| Pin::new(&mut stream).poll_close(context)).await;
            while !may_go.get() {
                yield_now().await;
            }
        })
    };
    harness::run(async || {
        let mut harness = Harness::new(service, |_| {});
        let client = harness.ring.connect();
        let request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n";
        harness.ring.write(client, request);
        harness.ring.end(client, Ok(()));
        for _ in 0..8 {
            harness.turn(0).await;
        }
        assert!(!harness.ring.is_closed(client), "its handler still holds it");
        may_go.set(true);
        harness.run(0).await;
        harness.assert_empty();
    });
}

#[test]
fn answers_are_the_same_however_short_the_sends_are() {
    test(
        |_| {},
        async |mut harness| {
            let whole = without_dates(&harness.answer(&[MIXED]).await);
            for share in [1, 7, 100, 1024, 5000] {
                harness.ring.faults(|faults| faults.send_bytes_max = share);
                assert_eq!(
                    without_dates(&harness.answer(&[MIXED]).await),
                    whole,
                    "sends of {share}"
                );
            }
            harness.assert_empty();
        },
    );
}

#[test]
fn a_reset_at_every_byte_leaves_nothing_behind() {
    test(
        |_| {},
        async |mut harness| {
            for at in 0..MIXED.len() {
                for share in [1, usize::MAX] {
                    harness.ring.faults(|faults| faults.send_bytes_max = share);
                    let client = harness.ring.connect();
                    harness.ring.write(client, &MIXED[..at]);
                    harness.ring.end(client, Err(Errno(libc::ECONNRESET)));
                    harness.run(0).await;
                    assert!(harness.ring.is_closed(client));
                }
            }
            harness.assert_empty();
        },
    );
}

#[test]
fn a_receive_that_finds_no_buffer_is_armed_again() {
    test(
        |_| {},
        async |mut harness| {
            let whole = without_dates(&harness.answer(&[MIXED]).await);
            harness.ring.faults(|faults| faults.buffers_missing = 20);
            let pieces: Vec<&[u8]> = MIXED.chunks(30).collect();
            assert_eq!(without_dates(&harness.answer(&pieces).await), whole);
            harness.assert_empty();
        },
    );
}

#[test]
fn completions_of_a_slot_before_do_not_reach_its_next_connection() {
    test(
        |_| {},
        async |mut harness| {
            let first = harness.ring.connect();
            harness.run(0).await;
            let stale = harness.ring.key(first).unwrap();
            harness.ring.end(first, Ok(()));
            harness.run(0).await;
            let second = harness.ring.connect();
            harness.run(0).await;
            assert_eq!(
                harness.ring.key(second).unwrap().index(),
                stale.index(),
                "the slot is used again"
            );
            let mut buffer = harness.pool.take().unwrap();
            buffer
                .extend_from_slice(b"GET /stale HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            harness.ring.complete(Completion::Received(Received {
                key: stale,
                view: buffer.freeze(),
                more: true,
            }));
            harness.ring.complete(Completion::NothingReceived {
                key: stale,
                outcome: Err(Errno(libc::ECONNRESET)),
                more: false,
            });
            harness.run(0).await;
            assert!(harness.ring.read(second).is_empty() && !harness.ring.is_closed(second));
            harness.ring.end(second, Ok(()));
            harness.run(0).await;
            harness.assert_empty();
        },
    );
}

#[test]
fn every_wait_has_its_end() {
    // Sent bytes; the moment by which nothing may have happened; the moment by which it must have; the status, if any.
    let table: [(&[u8], Millis, Millis, &str); 8] = [
        (b"", 9_990, 12_000, ""),
        (b"\r\n", 9_990, 12_000, ""),
        // RFC 9112 §2.2: an empty line behind a request is not the beginning of another one.
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n", 74_990, 85_000, ""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n\r\nG", 9_990, 12_000, "408"),
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
            async |mut harness| {
                let client = harness.ring.connect();
                harness.ring.write(client, sent);
                let (first, closed) = harness.at(client, 0).await;
                assert!(!closed);
                assert_eq!(
                    first.starts_with("HTTP/1.1 200"),
                    sent.windows(4).any(|four| four == b"\r\n\r\n") && sent.len() > 4,
                    "{first}"
                );
                assert_eq!(
                    harness.at(client, before).await,
                    (String::new(), false),
                    "{}",
                    sent.escape_ascii()
                );
                let (last, closed) = harness.at(client, after).await;
                assert!(
                    last.get(9..12).unwrap_or_default() == status,
                    "{}: {last}",
                    sent.escape_ascii()
                );
                // An answered one lingers for another two seconds.
                assert!(closed || !harness.ring.read(client).is_empty() || harness.at(client, after + 3_000).await.1);
                harness.assert_empty();
            },
        );
    }
}

#[test]
fn a_head_has_its_time_from_its_first_byte_also_behind_an_empty_line() {
    test(
        |_| {},
        async |mut harness| {
            let client = harness.ring.connect();
            harness.ring.write(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n\r\n");
            harness.run(0).await;
            harness.ring.read(client);
            for (now, piece) in [(60_000, &b"GET / HTTP/1.1\r\n"[..]), (69_000, b"Host: x\r\n\r\n")] {
                assert_eq!(harness.at(client, now).await, (String::new(), false));
                harness.ring.write(client, piece);
            }
            assert!(harness.at(client, 69_000).await.0.starts_with("HTTP/1.1 200"));
            harness.ring.write(client, b"\r\n");
            harness.run(70_000).await;
            harness.drain();
            harness.run(71_000).await;
            harness.run(71_600).await;
            assert!(
                harness.ring.is_closed(client),
                "an empty line is nothing that a stopping server waits for"
            );
            harness.assert_empty();
        },
    );
}

#[test]
fn a_flood_of_unread_pipelined_requests_is_held_back() {
    test(
        |config| {
            config.input_buffers_max = 4;
            config.output_bytes_max = 8 * 1024;
        },
        async |mut harness| {
            let client = harness.ring.connect();
            harness.ring.stall(client, true);
            let request = b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n";
            for _ in 0..2000 {
                harness.ring.write(client, request);
            }
            harness.run(0).await;
            assert!(!harness.ring.is_receiving(client), "it is still received from");
            assert!(harness.pool.counts().held < 64, "{:?}", harness.pool.counts());
        },
    );
}

/// RFC 9112 §9.6: the last answer leaves with the end of its connection, and what the client still sends, whenever that
/// comes, takes none of it along.
#[test]
fn the_last_answer_is_not_lost_to_what_comes_behind_its_request() {
    // One that fits into a block, and one that does not.
    for (path, end) in [("/a", "\r\n\r\nGET /a"), ("/long", "long long ")] {
        for (blocked, sent_in_turn) in [0, 1, 3]
            .into_iter()
            .flat_map(|blocked| (0..8).map(move |turn| (blocked, turn)))
        {
            test(
                |_| {},
                async |mut harness| {
                    let which = format!("{path} {blocked} {sent_in_turn}");
                    harness.ring.faults(|faults| faults.steps_blocked = blocked);
                    let client = harness.ring.connect();
                    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
                    harness.ring.write(client, request.as_bytes());
                    for turn in 0..8 {
                        if turn == sent_in_turn {
                            harness.ring.write(client, b"GET /b HTTP/1.1\r\n");
                        }
                        harness.turn(0).await;
                    }
                    let (answer, _) = harness.at(client, 0).await;
                    assert!(answer.ends_with(end), "{which}: {answer:?}");
                    harness.run(10_000).await;
                    assert_eq!(harness.ring.ended(client), Ended::Closed, "{which}");
                },
            );
        }
    }
}

/// However long a handler computes, the last answer of another connection, made in the round before, does not wait for it.
#[test]
fn a_last_answer_leaves_before_the_next_handler_is_called() {
    harness::run(async || {
        let watched = Rc::<RefCell<Option<(Simulated, RawFd)>>>::default();
        let (watch, asked) = (Rc::clone(&watched), Rc::<Cell<bool>>::default());
        let was_asked = Rc::clone(&asked);
        let service = async move |request: Request| {
            asked.set(asked.get() || request.path() == "/last");
            match (request.path(), &*watch.borrow()) {
                ("/look", Some((ring, client))) => String::from_utf8(ring.read(*client)).unwrap_or_default(),
                _ => "answer".to_owned(),
            }
        };
        let mut harness = Harness::new(service, |_| {});
        let (leaving, staying) = (harness.ring.connect(), harness.ring.connect());
        harness.ring.write(staying, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        harness.run(0).await;
        harness.ring.read(staying);
        *watched.borrow_mut() = Some((harness.ring.clone(), leaving));
        harness
            .ring
            .write(leaving, b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        while !was_asked.get() {
            harness.turn(0).await;
        }
        harness.ring.write(staying, b"GET /look HTTP/1.1\r\nHost: x\r\n\r\n");
        let (seen, _) = harness.at(staying, 0).await;
        assert!(
            seen.contains("Connection: close") && seen.ends_with("answer"),
            "{seen:?}"
        );
    });
}

/// RFC 9112 §9.6: a client that goes on sending behind the answer to a broken request is read for so long and no longer, even
/// where there is always more to read.
#[test]
fn a_client_that_sends_on_without_end_is_cut() {
    test(
        |config| config.close_bytes_max = 10_000,
        async |mut harness| {
            let client = harness.ring.connect();
            harness.ring.write(client, b"nonsense\r\n");
            for turn in 0.. {
                if harness.ring.is_closed(client) {
                    break;
                }
                assert!(turn < 100, "the server reads on for ever");
                for _ in 0..4 {
                    harness.ring.write(client, &[b'x'; 1000]);
                }
                harness.turn(0).await;
            }
            let answer = String::from_utf8(harness.ring.read(client)).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer:?}");
        },
    );
}

/// RFC 9110 §10.1.1: who awaits `100 Continue`, and is not told, owes no body.
#[test]
fn a_client_that_was_not_told_to_continue_is_not_waited_for() {
    let service = async |request: Request| {
        drop(request);
        std::future::pending::<Response>().await
    };
    harness::run(async || {
        let mut harness = Harness::new(service, |_| {});
        let client = harness.ring.connect();
        let request = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
        harness.ring.write(client, request);
        harness.run(0).await;
        assert_eq!(harness.at(client, 100_000).await, (String::new(), false));
        // Who sends it all the same has to send it whole.
        harness.ring.write(client, b"hel");
        harness.run(100_000).await;
        assert!(harness.at(client, 140_000).await.0.starts_with("HTTP/1.1 408 "));
    });
}

/// The handler has answered, and somebody still holds the body and does not read it: what is left of it is thrown away.
#[test]
fn a_body_that_is_held_and_not_read_does_not_stop_the_connection() {
    let held = Rc::<RefCell<Vec<crate::Body>>>::default();
    let holder = Rc::clone(&held);
    let service = async move |request: Request| {
        if request.path() == "/held" {
            holder.borrow_mut().push(request.body());
            for _ in 0..100 {
                yield_now().await; // Until as much of it lies here as may.
            }
        }
        Response::text("answered")
    };
    harness::run(async || {
        let mut harness = Harness::new(service, |_| {});
        let client = harness.ring.connect();
        harness.ring.write(
            client,
            b"POST /held HTTP/1.1\r\nHost: x\r\nContent-Length: 40000\r\n\r\n",
        );
        harness.ring.write(client, &[b'x'; 40_000]);
        harness.ring.write(client, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        for _ in 0..200 {
            harness.turn(0).await;
        }
        let (answers, _) = harness.at(client, 0).await;
        assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
        held.borrow_mut().clear();
    });
}
