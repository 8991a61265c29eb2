//! What a handler leaves behind is dropped when its connection goes: and what that drop does is contained, too.
//!
//! Apart from the other tests on handlers, since a panic that is not contained takes the process along.

mod support;

use std::io;

use futures_lite::{StreamExt, stream};
use ringlane::{Request, Response};
use support::{Gate, OnDrop, TestServer};

/// Tells that it is dropped, and panics.
struct PanicOnDrop(#[expect(dead_code, reason = "it is there to be dropped")] OnDrop);

impl Drop for PanicOnDrop {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("expected by the test");
        }
    }
}

struct Bench {
    server: TestServer,
    entered: Gate,
    dropped: Gate,
}

/// Handlers that wait for ever and hold something whose drop panics.
fn bench() -> Bench {
    let (entered, dropped) = (Gate::default(), Gate::default());
    let gates = (entered.clone(), dropped.clone());
    let server = TestServer::start(
        |_| {},
        move |_| {
            let (entered, dropped) = gates.clone();
            async move |request: Request| {
                let entered = entered.clone();
                let guard = PanicOnDrop(OnDrop(dropped.clone()));
                match request.path() {
                    "/handler" => {
                        entered.open();
                        std::future::pending::<()>().await;
                    }
                    "/body" => {
                        entered.open();
                        while request.body().next().await.is_some() {}
                    }
                    "/stream" => {
                        let first = stream::once(Ok::<_, io::Error>("hello"));
                        let endless = stream::pending().map(move |chunk| {
                            let _held = &guard;
                            chunk
                        });
                        entered.open();
                        return Response::stream("text/plain", first.chain(endless));
                    }
                    "/upgrade" => {
                        return Response::upgrade("test", move |_stream| async move {
                            let _held = guard;
                            entered.open();
                            std::future::pending::<()>().await;
                        });
                    }
                    _ => std::mem::forget(guard),
                }
                Response::text("fine")
            }
        },
    );
    Bench {
        server,
        entered,
        dropped,
    }
}

/// The connection is reset while the handler, the stream or the upgrade is under way.
fn assert_contained(request: &str) {
    let bench = bench();
    let mut other = bench.server.connect();
    let mut client = bench.server.connect();
    client.send(request);
    bench.entered.wait();
    assert_eq!(other.get("/fine").is(), (200, "fine"));
    client.reset();
    bench.dropped.wait();
    assert_eq!(other.get("/fine").is(), (200, "fine"));
    assert_eq!(bench.server.connect().get("/fine").is(), (200, "fine"));
}

#[test]
fn a_panic_in_the_drop_of_a_handler_is_contained() {
    assert_contained("GET /handler HTTP/1.1\r\nHost: test\r\n\r\n");
}

#[test]
fn a_panic_in_the_drop_of_a_stream_is_contained() {
    assert_contained("GET /stream HTTP/1.1\r\nHost: test\r\n\r\n");
}

#[test]
fn a_panic_in_the_drop_of_an_upgrade_is_contained() {
    assert_contained("GET /upgrade HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n");
}

/// A broken body ends its handler as well.
#[test]
fn a_panic_in_the_drop_of_a_refused_handler_is_contained() {
    let bench = bench();
    let mut client = bench.server.connect();
    client.send("POST /body HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    bench.entered.wait();
    client.send("nonsense\r\n");
    assert_eq!(client.answer().status, 400);
    bench.dropped.wait();
    assert_eq!(bench.server.connect().get("/fine").is(), (200, "fine"));
}

/// And so is what is still pending when the server stops.
#[test]
fn a_panic_in_a_drop_while_the_server_is_cut_is_contained() {
    let bench = bench();
    let mut client = bench.server.connect();
    client.send("GET /handler HTTP/1.1\r\nHost: test\r\n\r\n");
    bench.entered.wait();
    bench.server.handle().stop();
    let outcome = bench.server.stop();
    assert!(
        matches!(outcome, Err(ringlane::Error::DrainTimeout { connections: 1 })),
        "{outcome:?}"
    );
    assert!(bench.dropped.is_open(), "the handler is still there");
}
