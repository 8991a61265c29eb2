//! Responses that are made while they are sent: as they come, as fast as they are read, and broken.

mod support;

use std::io;
use std::time::Duration;

use futures_lite::{StreamExt, stream};
use glommio::timer::Timer;
use ringlane::{IntoResponse, Request, Response, StatusCode};
use support::content::{self, Check};
use support::requests::get;
use support::services::{TYPE, content_stream};
use support::{Client, Count, Gate, OnDrop, TestServer};

const MIB: usize = 1 << 20;

/// RFC 9112 §6.3: HTTP/1.0 knows no chunks; a body of unknown length ends with the connection.
#[test]
fn http_1_0_gets_a_stream_until_the_end() {
    let server = TestServer::start(
        |_| {},
        |_| async |_: Request| Response::stream(TYPE, content_stream(10_000, 3000)),
    );
    for options in ["", "Connection: keep-alive\r\n"] {
        let mut client = server.connect();
        client.send(format!("GET /stream HTTP/1.0\r\n{options}\r\n"));
        let head = client.head();
        assert!(head.closes());
        assert_eq!(
            (head.field("transfer-encoding"), head.field("content-length")),
            (None, None)
        );
        let mut check = Check::default();
        client.try_body(&head, |piece| check.push(piece)).unwrap();
        assert_eq!(check.seen(), 10_000);
    }
}

/// Each chunk reaches the client before the next one is made: the producer waits until the client has it.
#[test]
fn a_stream_arrives_as_it_is_made() {
    const CHUNKS: usize = 10;
    let gates: Vec<Gate> = (0..CHUNKS).map(|_| Gate::default()).collect();
    let made = Count::default();
    let server = TestServer::start(|_| {}, {
        let (gates, made) = (gates.clone(), made.clone());
        move |_| {
            let (gates, made) = (gates.clone(), made.clone());
            async move |_: Request| {
                let (gates, made) = (gates.clone(), made.clone());
                Response::stream(
                    TYPE,
                    stream::unfold(0, move |index| {
                        let (gates, made) = (gates.clone(), made.clone());
                        async move {
                            if index > 0 {
                                gates[index - 1].passed().await;
                                Timer::new(Duration::from_millis(1)).await;
                            }
                            if index == CHUNKS {
                                return None;
                            }
                            made.add();
                            // Short ones and long ones take different ways to the socket.
                            Some((Ok::<_, io::Error>(content::piece(0, 10 + index * 700)), index + 1))
                        }
                    }),
                )
            }
        }
    });
    let mut client = server.connect();
    client.send(get("/"));
    assert_eq!(client.head().field("transfer-encoding"), Some("chunked"));
    for (index, gate) in gates.iter().enumerate() {
        let length = 10 + index * 700;
        assert_eq!(client.line(), format!("{length:x}"));
        assert!(client.exactly(length as u64) == content::bytes(length));
        assert_eq!(client.line(), "");
        assert_eq!(made.get(), index + 1);
        gate.open();
    }
    assert_eq!(client.line(), "0");
    assert_eq!(client.line(), "");
}

/// The head of a streamed response does not wait for its first chunk.
#[test]
fn a_streams_head_is_sent_at_once() {
    let gate = Gate::default();
    let server = TestServer::start(|_| {}, {
        let gate = gate.clone();
        move |_| {
            let gate = gate.clone();
            async move |_: Request| {
                let gate = gate.clone();
                Response::stream(
                    TYPE,
                    stream::once_future(async move {
                        gate.passed().await;
                        Ok::<_, io::Error>("late")
                    }),
                )
            }
        }
    });
    let mut client = server.connect();
    client.send(get("/"));
    let head = client.head();
    assert!(client.is_silent());
    gate.open();
    let mut seen = Vec::new();
    client.try_body(&head, |piece| seen.extend_from_slice(piece)).unwrap();
    assert_eq!(seen, b"late");
}

/// A producer is asked for more only while less than `output_bytes_max` is queued.
#[test]
fn a_stream_is_made_as_fast_as_it_is_read() {
    const CHUNK: usize = 16 << 10;
    const CHUNKS: usize = 4096;
    let made = Count::default();
    let server = TestServer::start(|config| config.send_buffer_bytes = Some(64 << 10), {
        let made = made.clone();
        move |_| {
            let made = made.clone();
            async move |request: Request| {
                if request.path() == "/other" {
                    return Response::text("other");
                }
                let made = made.clone();
                let chunks = stream::iter(0..CHUNKS).map(move |_| {
                    made.add();
                    Ok::<_, io::Error>(content::piece(0, CHUNK))
                });
                Response::stream(TYPE, chunks)
            }
        }
    });
    let mut client = Client::connect_narrow(server.address(), 64 << 10);
    client.send(get("/"));
    let mut other = server.connect();
    let mut made_before = usize::MAX;
    while made.get() != made_before {
        made_before = made.get();
        for _ in 0..50 {
            assert_eq!(other.get("/other").is(), (200, "other"));
        }
    }
    // Kernel buffers on both sides are doubled, and 64 KiB wait in the server.
    assert!(made_before * CHUNK <= MIB, "{made_before} chunks were made ahead");
    let head = client.head();
    let mut received = 0;
    client.try_body(&head, |piece| received += piece.len()).unwrap();
    assert_eq!((received, made.get()), (CHUNKS * CHUNK, CHUNKS));
}

/// A stream that yields what it is given and then fails, if it is to.
fn parts(parts: &'static [&'static str], fails: bool) -> impl stream::Stream<Item = io::Result<&'static str>> {
    let end = fails.then(|| Err(io::Error::other("expected by the test")));
    stream::iter(parts.iter().map(|part| Ok(*part)).chain(end))
}

#[test]
fn a_stream_that_fails_is_seen_to_be_incomplete() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| match request.path() {
                "/stream" => Response::stream(TYPE, parts(&["hello ", "wor"], true)),
                "/later" => {
                    let pause = stream::once_future(async {
                        Timer::new(Duration::from_millis(20)).await;
                        Ok("wor")
                    });
                    Response::stream(TYPE, parts(&["hello "], false).chain(pause).chain(parts(&[], true)))
                }
                "/at-once" => Response::stream(TYPE, parts(&[], true)),
                "/few" => Response::stream_of_length(TYPE, 11, parts(&["hello ", "wor"], false)),
                "/fails" => Response::stream_of_length(TYPE, 11, parts(&["hello ", "wor"], true)),
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        },
    );
    for (version, path, expected) in [
        ("1.1", "/stream", "hello wor"),
        ("1.1", "/later", "hello wor"),
        ("1.1", "/at-once", ""),
        ("1.1", "/few", "hello wor"),
        ("1.1", "/fails", "hello wor"),
    ] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/{version}\r\nHost: test\r\n\r\n"));
        let head = client.head();
        assert_eq!(head.status, 200, "{path}");
        let mut seen = Vec::new();
        let error = client
            .try_body(&head, |piece| seen.extend_from_slice(piece))
            .unwrap_err();
        // The client gets what there was, and then the end of the connection instead of the rest.
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{path}");
        assert_eq!(seen, expected.as_bytes(), "{path}");
    }
    // Where the end of the connection is the end of the body, only a reset shows that there should be more.
    for path in ["/stream", "/later", "/at-once"] {
        let mut client = server.connect();
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        let outcome = client.try_answer();
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::ConnectionReset, "{path}");
    }
}

/// Nor does HTTP/1.0 need a reset, which may take along what is not read yet, where the missing bytes show.
#[test]
fn a_short_stream_of_a_known_length_ends_in_good_order_in_http_1_0() {
    let server = TestServer::start(
        |_| {},
        |_| async |_: Request| Response::stream_of_length(TYPE, 11, parts(&["hello ", "wor"], false)),
    );
    let mut client = server.connect();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.head().field("content-length"), Some("11"));
    assert_eq!(client.exactly(9), b"hello wor");
    client.assert_closed();
}

/// The client can rely on the announced length: no byte beyond it comes, and the connection is not used again.
#[test]
fn a_stream_that_goes_beyond_its_length_is_cut_there() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| match request.path() {
                "/within" => Response::stream_of_length(TYPE, 5, parts(&["hello world"], false)),
                "/behind" => Response::stream_of_length(TYPE, 5, parts(&["hello", "HTTP/1.1 200 OK\r\n\r\n"], false)),
                "/none" => Response::stream_of_length(TYPE, 0, parts(&["hello"], false)),
                _ => Response::stream_of_length(TYPE, 5, parts(&["he", "", "llo", ""], false)),
            }
        },
    );
    for (path, expected) in [("/within", "hello"), ("/behind", "hello"), ("/none", "")] {
        let mut client = server.connect();
        client.send([get(path), get(path)].concat());
        assert_eq!(client.answer().is(), (200, expected), "{path}");
        assert!(
            client.rest().is_ok_and(|rest| rest.is_empty()),
            "{path}: the connection was used again"
        );
    }
    let mut client = server.connect();
    for _ in 0..10 {
        assert_eq!(client.get("/exact").is(), (200, "hello"));
    }
}

/// A stream whose client is gone is dropped.
#[test]
fn a_stream_is_dropped_when_its_client_vanishes() {
    let dropped = Gate::default();
    let server = TestServer::start(|_| {}, {
        let dropped = dropped.clone();
        move |_| {
            let dropped = dropped.clone();
            async move |_: Request| {
                let guard = OnDrop(dropped.clone());
                let endless = stream::pending::<io::Result<&str>>().map(move |chunk| {
                    let _held = &guard;
                    chunk
                });
                Response::stream(TYPE, parts(&["hello"], false).chain(endless))
            }
        }
    });
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    assert_eq!(client.line(), "5");
    assert!(!dropped.is_open());
    client.reset();
    dropped.wait();
}
