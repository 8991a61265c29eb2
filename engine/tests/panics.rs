//! A panic costs the request in which it happens, and its connection, and nothing else.

mod support;

use std::io;
use std::time::Duration;

use futures_lite::{StreamExt, stream};
use glommio::timer::Timer;
use ringlane::{Request, Response, Service};
use support::requests::get;
use support::{Client, Count, Gate, TestServer};

/// The ways to go wrong, by path.
async fn broken(request: Request) -> Response {
    match request.path() {
        "/panic" => panic!("expected by the test"),
        "/panic/later" => {
            Timer::new(Duration::from_millis(5)).await;
            panic!("expected by the test")
        }
        "/panic/body" => {
            let _ = request.body().bytes(100).await;
            panic!("expected by the test")
        }
        "/panic/drop" => {
            let _guard = PanicOnDrop;
            Response::text("made, and then lost")
        }
        "/panic/drop/later" => {
            let _guard = PanicOnDrop;
            Timer::new(Duration::from_millis(5)).await;
            Response::text("made, and then lost")
        }
        "/stream" => Response::stream("text/plain", hello_and_panic(false)),
        "/stream/later" => Response::stream("text/plain", hello_and_panic(true)),
        "/stream/length" => Response::stream_of_length("text/plain", 10, hello_and_panic(true)),
        "/upgrade" => Response::upgrade("test", |_| async { panic!("expected by the test") }),
        "/upgrade/at-once" => {
            Response::upgrade("test", |_| -> std::future::Ready<()> { panic!("expected by the test") })
        }
        "/upgrade/later" => Response::upgrade("test", |mut stream| async move {
            let _ = stream.send("hello").await;
            Timer::new(Duration::from_millis(5)).await;
            panic!("expected by the test")
        }),
        _ => Response::text("fine"),
    }
}

struct PanicOnDrop;

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("expected by the test");
        }
    }
}

fn hello_and_panic(later: bool) -> impl stream::Stream<Item = io::Result<&'static str>> {
    let hello = stream::once(Ok("hello"));
    let pause = stream::once_future(async move {
        if later {
            Timer::new(Duration::from_millis(5)).await;
        }
        panic!("expected by the test")
    });
    hello.chain(pause)
}

/// A panic costs its own request a 500 and its connection, and nothing else.
#[test]
fn a_panic_costs_its_own_connection_only() {
    let server = TestServer::start(|_| {}, |_| broken);
    let mut other = server.connect();
    for path in [
        "/panic",
        "/panic/later",
        "/panic/body",
        "/panic/drop",
        "/panic/drop/later",
    ] {
        let mut client = server.connect();
        assert_eq!(client.get("/fine").is(), (200, "fine"));
        client.send(format!(
            "POST {path} HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"
        ));
        client.send(get("/fine"));
        let answer = client.answer();
        assert_eq!(answer.status, 500, "{path}");
        assert!(answer.closes(), "{path}");
        assert!(
            !answer.text().contains("expected by the test"),
            "the answer tells what nobody needs to know"
        );
        client.assert_closed();
        assert_eq!(other.get("/fine").is(), (200, "fine"), "behind {path}");
    }
    // To HEAD, without a body.
    let mut client = server.connect();
    client.send("HEAD /panic HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.head().status, 500);
    client.assert_closed();
}

#[test]
fn a_panic_while_others_are_pending_leaves_them_alone() {
    let (gate, entered) = (Gate::default(), Count::default());
    let server = TestServer::start(|_| {}, {
        let (gate, entered) = (gate.clone(), entered.clone());
        move |_| {
            let (gate, entered) = (gate.clone(), entered.clone());
            async move |request: Request| {
                if request.path() != "/wait" {
                    return broken(request).await;
                }
                entered.add();
                gate.passed().await;
                Response::text("waited")
            }
        }
    });
    let mut waiting: Vec<Client> = (0..50).map(|_| server.connect()).collect();
    for client in &mut waiting {
        client.send(get("/wait"));
    }
    entered.wait_for(50);
    for path in ["/panic", "/panic/later"].repeat(10) {
        assert_eq!(server.connect().get(path).status, 500);
    }
    gate.open();
    for client in &mut waiting {
        assert_eq!(client.answer().is(), (200, "waited"));
        assert_eq!(client.get("/fine").is(), (200, "fine"));
    }
}

/// The response has begun: all that a panic can do is end it visibly.
#[test]
fn a_panic_in_a_stream_leaves_it_incomplete() {
    let server = TestServer::start(|_| {}, |_| broken);
    let mut other = server.connect();
    for path in ["/stream", "/stream/later", "/stream/length"] {
        let mut client = server.connect();
        client.send(get(path));
        let head = client.head();
        assert_eq!(head.status, 200);
        let mut seen = Vec::new();
        let error = client
            .try_body(&head, |piece| seen.extend_from_slice(piece))
            .unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof, "{path}");
        assert_eq!(seen, b"hello", "{path}");
        assert_eq!(other.get("/fine").is(), (200, "fine"), "behind {path}");
    }
}

#[test]
fn a_panic_in_an_upgrade_closes_it() {
    let server = TestServer::start(|_| {}, |_| broken);
    let mut other = server.connect();
    for (path, expected) in [("/upgrade", ""), ("/upgrade/at-once", ""), ("/upgrade/later", "hello")] {
        let mut client = server.connect();
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n"
        ));
        assert_eq!(client.head().status, 101, "{path}");
        assert_eq!(client.rest().unwrap(), expected.as_bytes(), "{path}");
        assert_eq!(other.get("/fine").is(), (200, "fine"), "behind {path}");
    }
}

/// A service that panics where it is asked for a limit, and answers with what panics when it is let go of unused.
struct Unwell;

impl Service for Unwell {
    async fn call(&self, request: Request) -> Response {
        let guard = PanicOnDrop;
        match request.path() {
            "/stream" => Response::stream(
                "text/plain",
                stream::once_future(async move {
                    let _guard = guard;
                    io::Result::Ok("never")
                }),
            ),
            "/upgrade" => Response::upgrade("test", move |_| async move { drop(guard) }),
            _ => {
                std::mem::forget(guard);
                Response::text("fine")
            }
        }
    }

    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        assert!(request.path() != "/limit", "expected by the test");
        None
    }
}

#[test]
fn a_panic_where_nobody_expects_one_costs_its_own_connection_at_most() {
    let server = TestServer::start(|_| {}, |_| Unwell);
    let mut other = server.connect();
    for (request, status) in [
        (
            "POST /limit HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello",
            500,
        ),
        ("HEAD /stream HTTP/1.1\r\nHost: test\r\n\r\n", 200),
        ("GET /upgrade HTTP/1.1\r\nHost: test\r\n\r\n", 426),
    ] {
        let mut client = server.connect();
        client.send(request);
        assert_eq!(client.head().status, status, "{request}");
        assert_eq!(other.get("/fine").is(), (200, "fine"), "behind {request}");
    }
}
