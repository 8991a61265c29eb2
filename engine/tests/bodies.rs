//! Bodies of requests: read whole, read in part, streamed, ignored, and refused.

mod support;

use std::io::Write;
use std::thread;

use futures_lite::StreamExt;
use ringlane::{BodyError, IntoResponse, Request, Response, Service};
use support::content::{self, Check};
use support::requests::{in_chunks, with_length};
use support::services::echo_server;
use support::{Count, Gate, OnDrop, TestServer};

const MIB: usize = 1 << 20;

#[test]
fn bodies_of_every_size_come_back_as_they_were() {
    let server = echo_server(|config| config.body_bytes_max = 16 << 20);
    for size in [0, 1, 4095, 4096, 4097, 100 * 1024, 5 * MIB] {
        let body = content::bytes(size);
        for path in ["/length", "/stream", "/bytes", "/next"] {
            for request in [with_length(path, &body), in_chunks(path, &body)] {
                let is_chunked = request.windows(7).take(200).any(|window| window == b"chunked");
                if is_chunked && path == "/length" {
                    continue; // The length is not known beforehand.
                }
                let context = format!("{path} with {size} bytes, chunked: {is_chunked}");
                let mut client = server.connect();
                let mut writer = client.writer();
                thread::scope(|scope| {
                    scope.spawn(move || writer.write_all(&request).unwrap());
                    let head = client.head();
                    let mut check = Check::default();
                    client.try_body(&head, |piece| check.push(piece)).unwrap();
                    assert_eq!((head.status, check.seen()), (200, size as u64), "{context}");
                    assert_eq!(head.field("content-length").is_none(), path == "/stream", "{context}");
                });
            }
        }
    }
}

/// What reads the body to its end keeps the connection, though the answer began when most of the body was still to come.
#[test]
fn streaming_a_large_body_back_keeps_the_connection() {
    let server = echo_server(|config| config.body_bytes_max = 16 << 20);
    let body = content::bytes(2 * MIB);
    for (path, request) in [
        ("/bytes", with_length("/bytes", &body)),
        ("/stream", in_chunks("/stream", &body)),
        ("/stream", with_length("/stream", &body)),
        ("/length", with_length("/length", &body)),
    ] {
        let mut client = server.connect();
        let mut writer = client.writer();
        thread::scope(|scope| {
            scope.spawn(move || writer.write_all(&request).unwrap());
            let answer = client.answer();
            assert!(answer.body == body, "{path}");
            assert!(!answer.closes(), "{path}: the connection is given up");
        });
        assert_eq!(client.ask(with_length("/bytes", b"once more")).is(), (200, "once more"));
    }
}

/// The handler is told of a body's length, and reads an absent body as an empty one.
#[test]
fn a_body_says_how_long_it_is() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let announced = request.body().length();
                let read = request.body().bytes(100).await.map(|bytes| bytes.len());
                format!("{announced:?} {read:?}")
            }
        },
    );
    let mut client = server.connect();
    assert_eq!(client.get("/").text(), "Some(0) Ok(0)");
    assert_eq!(client.ask(with_length("/", b"")).text(), "Some(0) Ok(0)");
    assert_eq!(client.ask(with_length("/", b"12345")).text(), "Some(5) Ok(5)");
    assert_eq!(client.ask(in_chunks("/", b"12345")).text(), "None Ok(5)");
    assert_eq!(client.ask(in_chunks("/", b"")).text(), "None Ok(0)");
}

/// Limits, from the nearest to the farthest: of the call that reads, of the service, of the configuration.
#[test]
fn a_body_over_its_limit_is_refused() {
    struct Limited(Count);

    impl Service for Limited {
        async fn call(&self, request: Request) -> Response {
            self.0.add();
            match request
                .body()
                .bytes(if request.path() == "/ten" { 10 } else { MIB })
                .await
            {
                Ok(bytes) => Response::text(format!("{} bytes", bytes.len())),
                Err(error) => {
                    assert_eq!(error, BodyError::TooLarge);
                    error.into_response()
                }
            }
        }

        fn body_bytes_max(&self, request: &Request) -> Option<u64> {
            (request.path() == "/hundred").then_some(100)
        }
    }

    let calls = Count::default();
    let server = TestServer::start(|config| config.body_bytes_max = 1000, {
        let calls = calls.clone();
        move |_| Limited(calls.clone())
    });
    for (path, limit, announced_is_refused_before_the_call) in
        [("/ten", 10, false), ("/hundred", 100, true), ("/", 1000, true)]
    {
        let at_limit = content::bytes(limit);
        let mut client = server.connect();
        let expected = format!("{limit} bytes");
        assert_eq!(client.ask(with_length(path, &at_limit)).is(), (200, expected.as_str()));
        assert_eq!(client.ask(in_chunks(path, &at_limit)).is(), (200, expected.as_str()));

        let calls_before = calls.get();
        let over = content::bytes(limit + 1);
        let answer = client.ask(with_length(path, &over));
        assert_eq!(answer.status, 413, "{path}");
        assert!(answer.closes(), "{path}");
        client.assert_closed();
        let called = calls.get() > calls_before;
        assert_eq!(called, !announced_is_refused_before_the_call, "{path}");

        let mut client = server.connect();
        let answer = client.ask(in_chunks(path, &over));
        assert_eq!(answer.status, 413, "{path}");
        assert!(answer.closes(), "{path}");
        client.assert_closed();
    }
}

/// What is announced as too large is refused at once, before any of it has come.
#[test]
fn an_announced_body_over_its_limit_is_refused_at_its_head() {
    let server = echo_server(|_| {});
    for length in ["2097153", "18446744073709551615"] {
        let mut client = server.connect();
        let answer = client.ask(format!(
            "POST /bytes HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n"
        ));
        assert_eq!(answer.status, 413);
        assert!(answer.closes());
        client.assert_closed();
    }
}

/// A chunked body is refused with the chunk that passes the limit, and its handler's future is dropped.
#[test]
fn a_chunked_body_is_refused_once_it_passes_its_limit() {
    let (entered, dropped) = (Count::default(), Gate::default());
    let server = TestServer::start(|config| config.body_bytes_max = 1000, {
        let (entered, dropped) = (entered.clone(), dropped.clone());
        move |_| {
            let (entered, dropped) = (entered.clone(), dropped.clone());
            async move |request: Request| {
                let _guard = OnDrop(dropped.clone());
                entered.add();
                while request.body().next().await.is_some() {}
                "read to its end"
            }
        }
    });
    let mut client = server.connect();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n");
    client.send(content::bytes(1000));
    entered.wait_for(1);
    assert!(client.is_silent() && !dropped.is_open());
    client.send("\r\n1\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 413);
    assert!(answer.closes());
    dropped.wait();
    client.assert_closed();
}

#[test]
fn ignoring_a_small_body_keeps_the_connection() {
    let server = echo_server(|_| {});
    let mut client = server.connect();
    for size in [1, 4096, 100 * 1024, 256 * 1024] {
        let body = content::bytes(size);
        for request in [with_length("/", &body), in_chunks("/", &body)] {
            let answer = client.ask(request);
            assert_eq!(answer.is(), (200, "ignored"));
            assert!(!answer.closes(), "{size} bytes");
        }
    }
    // The answer does not wait for a body that nobody reads.
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n01234");
    assert_eq!(client.answer().is(), (200, "ignored"));
    client.send("56789");
    assert_eq!(client.get("/").is(), (200, "ignored"));
}

/// RFC 9112 §9.6: the answer can be read although the client goes on sending.
#[test]
fn ignoring_a_large_body_closes_the_connection_but_the_answer_is_readable() {
    let server = echo_server(|_| {});
    let body = content::bytes(2 * MIB);
    for (request, says_so) in [(with_length("/", &body), true), (in_chunks("/", &body), false)] {
        let mut client = server.connect();
        client.send(request);
        let answer = client.answer();
        assert_eq!(answer.is(), (200, "ignored"));
        // How long a chunked body will be is not known when its answer's head is written.
        assert!(answer.closes() || !says_so);
        client.assert_closed();
    }
}

/// The rest of a body that was begun and let go is thrown away, and the connection goes on.
#[test]
fn a_body_may_be_read_in_part() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let first = request.body().next().await;
                format!("{:?}", first.map(|chunk| chunk.map(|chunk| chunk[0])))
            }
        },
    );
    let mut client = server.connect();
    for number in 0..20_u8 {
        let body = [&[number], &content::bytes(60_000)[..]].concat();
        let request = if number % 2 == 0 {
            with_length("/", &body)
        } else {
            in_chunks("/", &body)
        };
        assert_eq!(client.ask(request).text(), format!("Some(Ok({number}))"));
    }
}

/// `Body` is a `Stream` as well.
#[test]
fn a_body_is_a_stream() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let body = request.body();
                let lengths = StreamExt::map(body, |chunk| chunk.map_or(0, |chunk| chunk.len()));
                StreamExt::fold(lengths, 0, |sum, length| sum + length)
                    .await
                    .to_string()
            }
        },
    );
    let mut client = server.connect();
    assert_eq!(client.ask(in_chunks("/", &content::bytes(300_000))).text(), "300000");
}
