//! Clients that take more than their share: of time, of memory, of patience.

use std::cell::Cell;
use std::future::Future;
use std::os::fd::RawFd;
use std::task::Poll;

use super::super::harness::{self, Harness};
use super::super::*;
use super::{allocations, test};
use crate::request::Request;
use crate::response::Response;
use crate::ring::Ended;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Whether a client of good manners is served, at once.
async fn is_served(harness: &mut Harness, now: Millis) -> bool {
    let client = harness.ring.connect();
    harness.ring.write(client, GET);
    let answer = harness.at(client, now).await.0;
    harness.ring.end(client, Ok(()));
    harness.run(now).await;
    answer.starts_with("HTTP/1.1 200")
}

#[test]
fn a_flood_of_requests_leaves_others_their_turn() {
    test(
        |config| config.output_bytes_max = 1 << 20,
        async |mut harness| {
            let flood = harness.ring.connect();
            let good = harness.ring.connect();
            harness.run(0).await;
            for _ in 0..30 {
                harness.ring.write(flood, &GET.repeat(36));
            }
            let mut answers = 0;
            for round in 0..10 {
                harness.ring.write(good, GET);
                harness.turn(0).await;
                let now = String::from_utf8(harness.ring.read(flood))
                    .unwrap()
                    .matches("HTTP/1.1 200")
                    .count();
                assert!(now <= 64, "{now} requests in round {round}");
                answers += now;
            }
            let got = String::from_utf8(harness.ring.read(good)).unwrap();
            assert!(got.matches("HTTP/1.1 200").count() >= 9, "{got}");
            harness.run(0).await;
            answers += String::from_utf8(harness.ring.read(flood))
                .unwrap()
                .matches("HTTP/1.1 200")
                .count();
            assert_eq!(answers, 30 * 36);
        },
    );
}

/// Uploads that nobody reads.
async fn ignored_uploads(harness: &mut Harness, count: usize) -> Vec<RawFd> {
    let uploads: Vec<RawFd> = (0..count).map(|_| harness.ring.connect()).collect();
    for &upload in &uploads {
        harness.ring.write(
            upload,
            b"POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
        );
        harness.ring.write(upload, &[b'x'; 100_000]);
    }
    harness.run(0).await;
    uploads
}

#[test]
fn uploads_that_nobody_reads_leave_buffers_for_others() {
    harness::run(async || {
        let service = async |request: Request| match request.path() {
            "/never" => std::future::pending().await,
            _ => Response::text("hello"),
        };
        let mut harness = Harness::new(service, |_| {});
        let uploads = ignored_uploads(&mut harness, 1).await;
        let one = harness.pool.counts().held;
        assert!((16..=18).contains(&one), "one upload holds {one} buffers");
        let more = ignored_uploads(&mut harness, 99).await;
        let all = harness.pool.counts().held;
        assert!(all < 230, "they hold {all} of 256 buffers");
        assert!(is_served(&mut harness, 0).await);
        for upload in uploads.into_iter().chain(more) {
            harness.ring.end(upload, Err(crate::ring::Errno(libc::ECONNRESET)));
        }
        harness.run(0).await;
        harness.assert_empty();
    });
}

#[test]
fn answers_that_nobody_reads_leave_buffers_for_others() {
    test(
        |_| {},
        async |mut harness| {
            let clients: Vec<RawFd> = (0..30).map(|_| harness.ring.connect()).collect();
            for &client in &clients {
                harness.ring.stall(client, true);
                harness.ring.write(client, &GET.repeat(30));
                harness.ring.write(client, &GET.repeat(30));
            }
            harness.run(0).await;
            let held = harness.pool.counts().held;
            assert!(held < 230, "they hold {held} of 256 buffers");
            assert!(is_served(&mut harness, 0).await);
            for &client in &clients {
                harness.ring.stall(client, false);
            }
            harness.run(0).await;
            for client in clients {
                let got = String::from_utf8(harness.ring.read(client)).unwrap();
                assert_eq!(got.matches("HTTP/1.1 200").count(), 60);
                harness.ring.end(client, Ok(()));
            }
            harness.run(0).await;
            harness.assert_empty();
        },
    );
}

#[test]
fn long_heads_are_refused_where_there_is_no_memory_for_them() {
    test(
        |config| config.head_bytes_max = 64 << 10,
        async |mut harness| {
            let filling = "x".repeat(1000);
            let head = format!(
                "GET / HTTP/1.1\r\nHost: x\r\n{}",
                format!("F: {filling}\r\n").repeat(30)
            );
            let clients: Vec<RawFd> = (0..100).map(|_| harness.ring.connect()).collect();
            for &client in &clients {
                harness.ring.write(client, head.as_bytes());
            }
            harness.run(0).await;
            let bytes = harness.core.usage().head_bytes;
            assert!(bytes < 256 * 1024, "{bytes} bytes of heads, in a core of 256 KiB");
            assert!(is_served(&mut harness, 0).await, "a short head needs no memory");
            let mut statuses = std::collections::BTreeMap::<String, usize>::new();
            for client in clients {
                harness.ring.write(client, b"\r\n");
                let status = harness.at(client, 0).await.0.get(9..12).unwrap_or_default().to_owned();
                *statuses.entry(status).or_default() += 1;
                harness.ring.end(client, Ok(()));
            }
            assert!(
                statuses["200"] >= 4 && statuses["503"] >= 50 && statuses.len() == 2,
                "{statuses:?}"
            );
            harness.run(0).await;
            harness.assert_empty();
        },
    );
}

/// For how long a body is waited for that comes in pieces of `bytes` every second, up to five minutes; and the status.
async fn endured_body(harness: &mut Harness, bytes: usize) -> (Millis, String) {
    let client = harness.ring.connect();
    harness.ring.write(
        client,
        b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n",
    );
    let mut now = 0;
    loop {
        let got = harness.at(client, now).await.0;
        if !got.is_empty() || now >= 300_000 {
            harness.ring.end(client, Err(crate::ring::Errno(libc::ECONNRESET)));
            harness.run(now).await;
            return (now, got.get(9..12).unwrap_or_default().to_owned());
        }
        now += 1_000;
        harness.ring.write(client, &vec![b'x'; bytes]);
    }
}

#[test]
fn a_body_may_be_slow_but_not_slower_than_the_minimum_rate() {
    let table = [
        (0, 30_000..=33_800, "408"),
        (1, 30_000..=34_800, "408"),
        (120, 58_000..=69_000, "408"),
        (240, 300_000..=300_000, ""),
        (1_000, 300_000..=300_000, ""),
    ];
    for (bytes, expected, status) in table {
        test(
            |_| {},
            async |mut harness| {
                let (endured, got) = endured_body(&mut harness, bytes).await;
                assert!(
                    expected.contains(&endured) && got == status,
                    "{bytes} B/s: {endured} ms, {got}"
                );
                harness.assert_empty();
            },
        );
    }
}

#[test]
fn an_answer_may_be_read_slowly_but_not_slower_than_the_minimum_rate() {
    let table = [
        (0, 30_000..=38_000),
        (100, 30_000..=70_000),
        (240, 300_000..=300_000),
        (1_000, 300_000..=300_000),
    ];
    for (bytes, expected) in table {
        test(
            |_| {},
            async |mut harness| {
                let client = harness.ring.connect();
                harness.ring.stall(client, true);
                harness.ring.write(client, b"GET /long HTTP/1.1\r\nHost: x\r\n\r\n");
                let mut now = 0;
                while harness.ring.ended(client) == Ended::No && now < 300_000 {
                    now += 1_000;
                    harness.ring.acknowledge(client, bytes);
                    harness.run(now).await;
                }
                assert!(expected.contains(&now), "{bytes} B/s: {now} ms");
                if now < 300_000 {
                    assert_eq!(
                        harness.ring.ended(client),
                        Ended::Reset,
                        "half an answer must not look like a whole"
                    );
                }
                harness.ring.stall(client, false);
                harness.ring.end(client, Err(crate::ring::Errno(libc::ECONNRESET)));
                harness.run(now).await;
                harness.assert_empty();
            },
        );
    }
}

#[test]
fn a_short_head_in_pieces_needs_no_share() {
    test(
        |config| {
            config.buffers_max = 16;
            config.input_buffers_max = 15;
        },
        async |mut harness| {
            let all: Vec<_> = std::iter::from_fn(|| harness.pool.take()).take(15).collect();
            let client = harness.ring.connect();
            let (begin, end) = GET.split_at(10);
            harness.ring.write(client, begin);
            harness.ring.write(client, &[end, &GET.repeat(30)].concat());
            let answers = harness.at(client, 0).await.0;
            assert_eq!(answers.matches("HTTP/1.1 200").count(), 31, "{answers}");
            drop(all);
        },
    );
}

#[test]
fn connections_without_a_buffer_take_their_turns() {
    harness::run(async || {
        let service = async |request: Request| match request.path() {
            "/never" => std::future::pending().await,
            _ => Response::text("hello"),
        };
        let mut harness = Harness::new(service, |config| {
            config.buffers_max = 16;
            config.input_buffers_max = 15;
        });
        let all: Vec<_> = std::iter::from_fn(|| harness.pool.take()).collect();
        let clients: Vec<RawFd> = (0..100).map(|_| harness.ring.connect()).collect();
        for &client in &clients {
            harness.ring.write(client, GET);
        }
        harness.run(0).await;
        assert_eq!(harness.core.context.starved.len(), 100);
        assert!(harness.core.next_wait() <= Some(Duration::from_millis(10)));
        drop(all);
        harness.turn(0).await; // Here they are armed again, as many as there are buffers.
        assert_eq!(harness.core.context.starved.len(), 100 - 16);
        harness.run(0).await;
        for client in clients {
            assert!(harness.at(client, 0).await.0.starts_with("HTTP/1.1 200"));
        }
    });
}

#[test]
fn the_smallest_chunks_take_no_more_memory_than_large_ones() {
    harness::run(async || {
        let service = async |request: Request| match request.path() {
            "/never" => std::future::pending().await,
            _ => Response::text(request.body().bytes(1 << 20).await.unwrap_or_default()),
        };
        let mut harness = Harness::new(service, |_| {});
        let head = |path: &str| format!("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
        let before = allocations::live_bytes();
        let ignored = harness.ring.connect();
        harness.ring.write(ignored, head("/never").as_bytes());
        harness.ring.write(ignored, &b"1\r\nx\r\n".repeat(20_000));
        harness.run(0).await;
        let grown = allocations::live_bytes() - before - 120_000; // What the client still wants to send lies in the test.
        assert!(grown < 16 << 10, "{grown} bytes of memory");

        let read = harness.ring.connect();
        harness.ring.write(read, head("/read").as_bytes());
        harness.ring.write(read, &b"1\r\nx\r\n".repeat(20_000));
        harness.ring.write(read, b"0\r\n\r\n");
        let answer = harness.at(read, 0).await.0;
        assert!(answer.ends_with(&"x".repeat(20_000)) && answer.contains("Content-Length: 20000\r\n"));
    });
}

#[test]
fn who_is_not_heard_for_want_of_a_buffer_is_not_called_slow() {
    test(
        |config| {
            config.buffers_max = 16;
            config.input_buffers_max = 15;
        },
        async |mut harness| {
            let body = harness.ring.connect();
            harness
                .ring
                .write(body, b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
            let idle = harness.ring.connect();
            harness.ring.write(idle, GET);
            harness.run(0).await;
            harness.ring.read(idle);
            let first = harness.ring.connect();
            let all: Vec<_> = std::iter::from_fn(|| harness.pool.take()).collect();
            harness.ring.write(body, b"hello");
            harness.ring.write(idle, GET);
            harness.ring.write(first, GET);
            for now in [0, 11_000, 31_000, 200_000] {
                harness.run(now).await;
            }
            drop(all);
            for client in [body, idle, first] {
                let (answer, closed) = harness.at(client, 200_000).await;
                assert!(answer.starts_with("HTTP/1.1 200") && !closed, "{answer}");
            }
        },
    );
}

#[test]
fn who_is_slow_is_so_also_where_buffers_run_out() {
    test(
        |config| {
            config.buffers_max = 16;
            config.input_buffers_max = 15;
        },
        async |mut harness| {
            let client = harness.ring.connect();
            harness.run(0).await;
            let mut now = 0;
            for &byte in b"GET / HTTP/1.1\r\nHost: xx" {
                harness.ring.write(client, &[byte]);
                let all: Vec<_> = std::iter::from_fn(|| harness.pool.take()).collect();
                harness.run(now).await;
                now += 100; // So long there is no buffer, and then none is missing for most of a second.
                harness.run(now).await;
                drop(all);
                harness.run(now).await;
                now += 500;
                harness.run(now).await;
            }
            let (answer, _) = harness.at(client, now).await;
            assert!(answer.starts_with("HTTP/1.1 408"), "{now} ms: {answer}");
        },
    );
}

#[test]
fn a_body_that_begins_to_be_waited_for_without_buffers_has_all_of_its_time() {
    let may_read = Rc::new(Cell::new(false));
    let gate = Rc::clone(&may_read);
    let reads_late = async move |request: Request| {
        while !gate.get() {
            yield_now().await;
        }
        Response::text(request.body().bytes(100).await.unwrap_or_default())
    };
    harness::run(async || {
        let mut harness = Harness::new(reads_late, |config| {
            config.buffers_max = 16;
            config.input_buffers_max = 15;
        });
        let client = harness.ring.connect();
        harness
            .ring
            .write(client, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n");
        harness.run(0).await;
        let all: Vec<_> = std::iter::from_fn(|| harness.pool.take()).collect();
        harness.ring.write(client, b"hel");
        harness.run(0).await;
        may_read.set(true);
        harness.run(20_000).await;
        harness.run(40_000).await;
        drop(all);
        harness.run(40_000).await;
        harness.ring.write(client, b"lo");
        assert!(harness.at(client, 69_000).await.0.ends_with("\r\n\r\nhello"));
    });
}

#[test]
fn who_says_nothing_is_not_kept_for_having_been_without_a_buffer() {
    test(
        |_| {},
        async |mut harness| {
            let client = harness.ring.connect();
            harness.run(0).await;
            let all: Vec<_> = std::iter::from_fn(|| harness.pool.take()).collect();
            harness.ring.starve(client);
            harness.run(1).await;
            harness.run(20_000).await;
            assert!(!harness.ring.is_closed(client), "it could not be heard");
            drop(all);
            harness.run(20_000).await;
            harness.run(35_000).await;
            assert!(harness.ring.is_closed(client));
        },
    );
}

/// Where the pool runs short, what lies on the heap instead is a few buffers for each connection, whatever its limits.
#[test]
fn what_lies_on_the_heap_instead_is_little_for_each() {
    const CLIENTS: usize = 400;
    let heap_of_each = |requests: &[&[u8]]| {
        let mut bytes = 0;
        harness::run(async || {
            let service = async |request: Request| match request.path() {
                "/never" => std::future::pending().await,
                _ => Response::text("hello"),
            };
            let mut harness = Harness::new(service, |_| {});
            let before = allocations::live_bytes();
            for _ in 0..CLIENTS {
                let client = harness.ring.connect();
                harness.ring.stall(client, true);
                requests.iter().for_each(|request| harness.ring.write(client, request));
            }
            harness.run(0).await;
            bytes = (allocations::live_bytes() - before) / CLIENTS as isize;
        });
        bytes
    };
    // Uploads that nobody reads, and requests whose answers nobody reads; beside them one of each. What has not been received
    // lies in the test's memory.
    let upload: &[u8] = b"POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n";
    let (piece, gets) = ([b'x'; 30_000], GET.repeat(38));
    for (few, many) in [(vec![upload], vec![upload, &piece]), (vec![GET], vec![&gets, &gets])] {
        let unread: usize = many.iter().map(|piece| piece.len()).sum();
        let more = heap_of_each(&many) - heap_of_each(&few);
        assert!(more < unread as isize + 3072, "{more} bytes of the heap for each");
    }
}

/// A handler waits for the body for a while, does something else, and comes back: only what it waited for is charged.
#[test]
fn only_the_time_in_which_a_body_is_waited_for_counts() {
    #[derive(Clone, Copy, PartialEq)]
    enum Does {
        Waits,
        SomethingElse,
        Reads,
    }
    let does = Rc::new(Cell::new(Does::Waits));
    let told = Rc::clone(&does);
    let service = async move |request: Request| {
        let mut body = request.body();
        {
            let mut next = std::pin::pin!(body.next());
            std::future::poll_fn(|context| match next.as_mut().poll(context) {
                Poll::Pending if told.get() == Does::Waits => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                _ => Poll::Ready(()),
            })
            .await;
        }
        while told.get() != Does::Reads {
            yield_now().await;
        }
        Response::text(body.bytes(10_000).await.unwrap_or_default())
    };
    // When it stops to wait; how much of the body comes then, and when it goes on; the status, and when that must be there.
    for (stops, sends, goes_on, status, by) in [
        (1_000, 10_000, 40_000, "200", 40_000),
        (20_000, 0, 50_000, "", 58_000),
        (20_000, 0, 50_000, "408", 65_000),
        // At 240 bytes a second these make up for all of it.
        (20_000, 9_000, 50_000, "", 75_000),
        (20_000, 9_000, 50_000, "408", 90_000),
    ] {
        let (does, service) = (Rc::clone(&does), service.clone());
        harness::run(async || {
            does.set(Does::Waits);
            let mut harness = Harness::new(service, |_| {});
            let client = harness.ring.connect();
            let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n";
            harness.ring.write(client, head);
            for _ in 0..8 {
                harness.turn(0).await;
            }
            does.set(Does::SomethingElse);
            for _ in 0..4 {
                harness.turn(stops).await;
            }
            harness.ring.write(client, &vec![b'x'; sends]);
            for _ in 0..16 {
                harness.turn(goes_on).await;
            }
            does.set(Does::Reads);
            for now in [goes_on, by] {
                for _ in 0..8 {
                    harness.turn(now).await;
                }
            }
            let answer = String::from_utf8(harness.ring.read(client)).unwrap();
            assert_eq!(
                answer.get(9..12).unwrap_or_default(),
                status,
                "{stops} {goes_on} {by}: {answer}"
            );
        });
    }
}
