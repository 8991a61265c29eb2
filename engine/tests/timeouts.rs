//! Whoever takes too long is not waited for: for heads, bodies, the next request, and the reading of answers.

mod support;

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use futures_lite::future;
use glommio::timer::Timer;
use ringlane::{Bytes, Config, Request};
use support::content::{self, Check};
use support::requests::{EXPECTING, get};
use support::services::{Reader, echo, echo_server};
use support::{Client, Gate, LIMIT, OnDrop, TestServer};

#[test]
fn a_head_that_takes_too_long_is_given_up() {
    let server = echo_server(|config| config.head_timeout = Duration::from_millis(150));
    for begun in ["G", "\r\nG", "GET / HTTP/1.1\r\nHost: test\r\n"] {
        for is_first in [true, false] {
            let mut client = server.connect();
            if !is_first {
                assert_eq!(client.get("/").status, 200);
            }
            client.send(begun);
            let answer = client.answer();
            assert_eq!(answer.status, 408, "{begun:?}");
            assert!(answer.closes());
            client.assert_closed();
        }
    }
}

/// A head has its time from its first byte on, however diligently it trickles in.
#[test]
fn a_head_that_trickles_in_is_given_up() {
    let server = echo_server(|config| config.head_timeout = Duration::from_millis(150));
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n");
    let began = Instant::now();
    while client.is_silent() && began.elapsed() < LIMIT {
        client.send("X-Field: slow\r\n".get(..1).unwrap_or_default());
        thread::sleep(Duration::from_millis(10)); // The slow client's pace.
        if !client.is_silent() {
            break;
        }
        client.send(": y\r\n");
    }
    assert_eq!(client.answer().status, 408);
}

#[test]
fn silence_is_ended_in_silence() {
    let server = echo_server(|config| {
        config.head_timeout = Duration::from_millis(150);
        config.idle_timeout = Duration::from_millis(200);
    });
    // Nothing has come at all: the head's time has passed.
    let mut unused = server.connect();
    unused.assert_closed();
    // Something has been answered: the idle time has passed.
    let mut idle = server.connect();
    let began = Instant::now();
    assert_eq!(idle.get("/").status, 200);
    idle.assert_closed();
    assert!(began.elapsed() >= Duration::from_millis(200), "closed before its time");
}

#[test]
fn a_body_that_stalls_is_given_up() {
    let reader = Reader::start(|config| config.body_timeout = Duration::from_millis(150));
    for head in [
        "Content-Length: 5\r\n\r\nhel",
        "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n",
    ] {
        let mut client = reader.server.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: test\r\n{head}"));
        let answer = client.answer();
        assert_eq!(answer.status, 408);
        assert!(answer.closes());
        client.assert_closed();
    }
    reader.dropped.wait();
    assert!(!reader.ended.is_open());
}

/// Also where nobody reads it and the answer has long been given: the rest of a body is not waited for for ever.
#[test]
fn an_ignored_body_that_stalls_is_given_up() {
    let server = echo_server(|config| config.body_timeout = Duration::from_millis(150));
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhel");
    assert_eq!(client.answer().is(), (200, "ignored"));
    client.assert_closed();
}

/// The clock of a body runs while it is waited for, and not while the handler is busy with something else.
#[test]
fn a_handler_that_takes_its_time_is_not_a_stalled_body() {
    let server = TestServer::start(
        |config| {
            config.head_timeout = Duration::from_millis(500);
            config.idle_timeout = Duration::from_millis(500);
            config.body_timeout = Duration::from_millis(500);
            config.write_timeout = Duration::from_millis(500);
        },
        |_| {
            async |request: Request| {
                Timer::new(Duration::from_millis(1200)).await;
                echo(request).await
            }
        },
    );
    let mut client = server.connect();
    client.send(EXPECTING);
    assert_eq!(client.head().status, 100);
    client.send("hello");
    assert_eq!(client.answer().is(), (200, "hello"));
}

/// As above, for a handler that has looked for more of the body, found none yet, and turned to something else.
#[test]
fn a_body_that_is_waited_for_no_longer_has_no_clock() {
    let configure = |config: &mut Config| config.body_timeout = Duration::from_millis(150);
    let server = TestServer::start(configure, |_| {
        async |request: Request| {
            let mut body = request.body();
            while future::poll_once(body.next()).await.is_some() {}
            Timer::new(Duration::from_millis(600)).await;
            "done without the rest"
        }
    });
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhel");
    assert_eq!(client.answer().is(), (200, "done without the rest"));
}

/// A body whose memory tells when it is let go of.
struct Watched {
    bytes: Vec<u8>,
    _guard: OnDrop,
}

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn watched_server(dropped: &Gate) -> TestServer {
    let dropped = dropped.clone();
    let configure = |config: &mut Config| {
        config.write_timeout = Duration::from_millis(400);
        config.send_buffer_bytes = Some(64 << 10);
    };
    TestServer::start(configure, move |_| {
        let dropped = dropped.clone();
        async move |request: Request| {
            let length = request.path().trim_start_matches('/');
            Bytes::from_owner(Watched {
                bytes: content::bytes(length.parse().unwrap_or_default()),
                _guard: OnDrop(dropped.clone()),
            })
        }
    })
}

/// A client that takes nothing is cut, and the response's memory is let go of.
#[test]
fn a_client_that_does_not_read_is_cut() {
    let dropped = Gate::default();
    let server = watched_server(&dropped);
    let mut client = Client::connect_narrow(server.address(), 64 << 10);
    client.send(get("/16000000"));
    dropped.wait();
    client.wait_until_cut();
    assert_eq!(client.try_answer().unwrap_err().kind(), io::ErrorKind::ConnectionReset);
}

/// Slow is not stalled: as long as the client takes something now and then, it gets everything.
#[test]
fn a_client_that_reads_slowly_is_not_cut() {
    let dropped = Gate::default();
    let server = watched_server(&dropped);
    let mut client = Client::connect_narrow(server.address(), 64 << 10);
    client.send(get("/4000000"));
    let head = client.head();
    let mut check = Check::default();
    let mut next_pause = 0;
    let outcome = client.try_body(&head, |piece| {
        check.push(piece);
        if check.seen() >= next_pause {
            next_pause += 200_000;
            thread::sleep(Duration::from_millis(75)); // The slow client's pace: 1.5 s in all.
        }
    });
    outcome.unwrap();
    assert_eq!(check.seen(), 4_000_000);
    dropped.wait();
}
