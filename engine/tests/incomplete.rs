//! Requests that do not come to their end: broken on the way, cut short, or left by their clients.

mod support;

use std::io::Write;
use std::time::Duration;

use glommio::timer::Timer;
use ringlane::{BodyError, Request};
use support::content;
use support::services::{Reader, echo, echo_server};
use support::{Client, Gate, TestServer};

const MIB: usize = 1 << 20;

/// RFC 9112 §7.1: a body that breaks while its handler waits for it takes the handler along.
#[test]
fn a_broken_chunk_ends_the_waiting_handler() {
    for broken in [
        "x",
        "5\nhello",
        "5\r\nhello!",
        "5\r\nhello\n",
        "-1\r\n",
        "0\r\nA: b\n\r\n",
        "0\r\n X: y\r\n\r\n",
    ] {
        let reader = Reader::start(|_| {});
        let mut client = reader.server.connect();
        client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
        reader.entered.wait();
        assert!(client.is_silent() && !reader.dropped.is_open());
        client.send(broken);
        let answer = client.answer();
        assert_eq!(answer.status, 400, "{broken:?}");
        assert!(answer.closes());
        reader.dropped.wait();
        assert!(
            !reader.ended.is_open(),
            "{broken:?}: the handler took the broken body for a whole one"
        );
        client.assert_closed();
    }
}

#[test]
fn a_client_that_vanishes_takes_its_handler_along() {
    for head in [
        "GET /pending HTTP/1.1\r\nHost: test\r\n\r\n",
        "POST /pending HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
        "POST /pending HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhel",
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhel",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n",
    ] {
        let reader = Reader::start(|_| {});
        let mut client = reader.server.connect();
        client.send(head);
        reader.entered.wait();
        assert!(!reader.dropped.is_open());
        client.reset();
        reader.dropped.wait();
        assert!(!reader.ended.is_open());
        assert_eq!(reader.server.connect().get("/other").is(), (200, "other"));
    }
}

/// As above, behind a half-close, for which alone the handler stays.
#[test]
fn a_client_that_vanishes_behind_its_half_close_takes_its_handler_along() {
    let reader = Reader::start(|_| {});
    let mut client = reader.server.connect();
    client.send("GET /pending HTTP/1.1\r\nHost: test\r\n\r\n");
    client.half_close();
    reader.entered.wait();
    assert_eq!(reader.server.connect().get("/other").is(), (200, "other"));
    assert!(
        !reader.dropped.is_open(),
        "a half-close is no reason to drop the handler"
    );
    client.reset();
    reader.dropped.wait();
}

/// As above, while the connection is no longer received from because its handler does not read.
#[test]
fn a_client_that_vanishes_behind_unread_input_takes_its_handler_along() {
    let reader = Reader::start(|config| {
        config.body_bytes_max = 64 << 20;
        config.receive_buffer_bytes = Some(64 << 10);
    });
    let mut client = Client::connect_narrow(reader.server.address(), 64 << 10);
    client.send("POST /pending HTTP/1.1\r\nHost: test\r\nContent-Length: 67108864\r\n\r\n");
    reader.entered.wait();
    let mut writer = client.writer();
    writer.set_write_timeout(Some(Duration::from_millis(300))).unwrap();
    writer
        .write_all(&content::bytes(32 * MIB))
        .expect_err("the sender was not held back");
    drop(writer);
    client.reset();
    reader.dropped.wait();
}

/// A task that outlives its handler is told what became of the body.
#[test]
fn a_task_that_holds_the_body_sees_why_it_ended() {
    let (entered, ended) = (Gate::default(), Gate::default());
    let seen = std::sync::Arc::new(std::sync::Mutex::new(None));
    let server = TestServer::start(|_| {}, {
        let (entered, ended, seen) = (entered.clone(), ended.clone(), seen.clone());
        move |_| {
            let (entered, ended, seen) = (entered.clone(), ended.clone(), seen.clone());
            async move |request: Request| {
                let (entered, ended, seen) = (entered.clone(), ended.clone(), seen.clone());
                let mut body = request.body();
                glommio::spawn_local(async move {
                    entered.open();
                    while let Some(chunk) = body.next().await {
                        if let Err(error) = chunk {
                            *seen.lock().unwrap() = Some(error);
                            break;
                        }
                    }
                    ended.open();
                })
                .detach();
                std::future::pending::<()>().await;
            }
        }
    });
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    entered.wait();
    client.send("nonsense\r\n");
    assert_eq!(client.answer().status, 400);
    ended.wait();
    assert_eq!(*seen.lock().unwrap(), Some(BodyError::Malformed));
}

#[test]
fn a_request_is_answered_after_the_clients_half_close() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                if request.path() == "/slow" {
                    Timer::new(Duration::from_millis(50)).await;
                }
                echo(request).await
            }
        },
    );
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: test\r\n\r\n", "ignored"),
        ("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n", "ignored"),
        (
            "POST /bytes HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
            "hello",
        ),
        (
            "POST /stream HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "hello",
        ),
    ] {
        let mut client = server.connect();
        client.send(request.repeat(3));
        client.half_close();
        for _ in 0..3 {
            assert_eq!(client.answer().is(), (200, expected), "{request}");
        }
        client.assert_closed();
    }
}

/// RFC 9112 §8: a message that its sender cuts short is incomplete.
#[test]
fn a_truncated_request_is_refused_after_the_half_close() {
    for truncated in [
        "P",
        "GET / HTTP/1.1\r\nHost: test\r\n",
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhell",
        "POST /pending HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhell",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhell",
        "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    ] {
        let reader = Reader::start(|_| {});
        let mut client = reader.server.connect();
        client.send(truncated);
        client.half_close();
        let answer = client.answer();
        assert_eq!(answer.status, 400, "{truncated}");
        assert!(answer.closes());
        client.assert_closed();
        assert!(
            !reader.ended.is_open(),
            "{truncated}: the handler took the truncated body for a whole one"
        );
    }
    // An end between two requests is no request, and gets no answer.
    let server = echo_server(|_| {});
    let mut client = server.connect();
    client.half_close();
    client.assert_closed();
}

/// A body that breaks under a response which is on its way: the client must see that the response is not whole.
#[test]
fn a_truncated_body_leaves_its_streamed_echo_visibly_incomplete() {
    let server = echo_server(|_| {});
    for (version, path) in [
        ("1.1", "/stream"),
        ("1.1", "/length"),
        ("1.0", "/length"),
        ("1.0", "/stream"),
    ] {
        let mut client = server.connect();
        client.send(format!(
            "POST {path} HTTP/{version}\r\nHost: test\r\nContent-Length: 10\r\n\r\nhello"
        ));
        let head = client.head();
        assert_eq!(head.status, 200);
        let mut seen = Vec::new();
        client.half_close();
        let outcome = client.try_body(&head, |piece| seen.extend_from_slice(piece));
        assert!(
            outcome.is_err(),
            "{path} of HTTP/{version} looks whole: {:?}",
            seen.escape_ascii().to_string()
        );
    }
}
