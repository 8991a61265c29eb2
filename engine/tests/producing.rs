//! Responses that a closure writes: as it goes, as fast as they are read, broken, and left behind; and streams without an
//! end of their own when the server stops.

mod support;

use std::io;
use std::time::Duration;

use futures_lite::{StreamExt, stream};
use ringlane::{BodyError, Request, Response};
use support::content::{self, Check};
use support::requests::get;
use support::services::TYPE;
use support::{Count, Gate, OnDrop, TestServer};

const CHUNK_BYTES: usize = 1000;

#[test]
fn what_is_sent_arrives_in_order_and_the_connection_is_kept() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |_: Request| {
                Response::produce(TYPE, async |mut sender| {
                    for index in 0..1000 {
                        sender.send(content::piece(index * 100, 100)).await?;
                    }
                    Ok(())
                })
            }
        },
    );
    let mut client = server.connect();
    for _ in 0..2 {
        client.send(get("/"));
        let head = client.head();
        assert_eq!((head.status, head.field("transfer-encoding")), (200, Some("chunked")));
        let mut check = Check::default();
        client.try_body(&head, |piece| check.push(piece)).unwrap();
        assert_eq!(check.seen(), 100_000);
    }
    client.send("HEAD / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.head().status, 200);
    assert_eq!(client.ask(get("/")).body.len(), 100_000);
}

/// Each chunk reaches the client before the next is made: the closure waits until the client has it.
#[test]
fn chunks_arrive_as_they_are_sent() {
    let gates: Vec<Gate> = (0..5).map(|_| Gate::default()).collect();
    let server = TestServer::start(|_| {}, {
        let gates = gates.clone();
        move |_| {
            let gates = gates.clone();
            async move |_: Request| {
                let gates = gates.clone();
                Response::produce(TYPE, async move |mut sender| {
                    for gate in gates {
                        sender.send("chunk").await?;
                        gate.passed().await;
                    }
                    Ok(())
                })
            }
        }
    });
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    for gate in &gates {
        assert_eq!((client.line(), client.line()), ("5".into(), "chunk".into()));
        assert!(client.is_silent());
        gate.open();
    }
    assert_eq!((client.line(), client.line()), ("0".into(), String::new()));
}

/// A closure that never stops is held back where nobody reads, and goes where its client goes.
#[test]
fn a_closure_is_held_back_and_dropped_with_its_client() {
    let (sent, dropped) = (Count::default(), Gate::default());
    let server = TestServer::start(|config| config.output_bytes_max = 4 * CHUNK_BYTES, {
        let (sent, dropped) = (sent.clone(), dropped.clone());
        move |_| {
            let (sent, dropped) = (sent.clone(), dropped.clone());
            async move |request: Request| {
                if request.path() == "/other" {
                    return Response::text("other");
                }
                let (sent, guard) = (sent.clone(), OnDrop(dropped.clone()));
                Response::produce(TYPE, async move |mut sender| {
                    let _guard = guard;
                    loop {
                        sender.send(content::piece(0, CHUNK_BYTES)).await?;
                        sent.add();
                    }
                })
            }
        }
    });
    let mut client = support::Client::connect_narrow(server.address(), 4096);
    client.send(get("/"));
    client.head();
    sent.wait_for(1);
    // It stops somewhere: two looks with whole exchanges between them see the same number.
    let mut other = server.connect();
    let mut before = usize::MAX;
    for _ in 0..10_000 {
        for _ in 0..10 {
            assert_eq!(other.get("/other").text(), "other");
        }
        let now = sent.get();
        if std::mem::replace(&mut before, now) == now {
            break;
        }
    }
    assert!(
        before < 10_000,
        "{before} chunks were made for a client that reads nothing"
    );
    assert!(!dropped.is_open());
    client.reset();
    dropped.wait();
}

#[test]
fn a_failure_is_seen() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |_: Request| {
                Response::produce(TYPE, async |mut sender| {
                    sender.send("hello").await?;
                    std::fs::read("/nonexistent")?;
                    Ok(())
                })
            }
        },
    );
    let mut client = server.connect();
    client.send(get("/"));
    let head = client.head();
    let error = client.try_body(&head, |_| {}).expect_err("it is not whole");
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

/// A task that outlives the closure cannot send any more, and is told so.
#[test]
fn a_sender_that_is_kept_is_told_that_the_client_is_gone() {
    let (told, begun) = (Gate::default(), Gate::default());
    let server = TestServer::start(|_| {}, {
        let (told, begun) = (told.clone(), begun.clone());
        move |_| {
            let (told, begun) = (told.clone(), begun.clone());
            async move |_: Request| {
                let (told, begun) = (told.clone(), begun.clone());
                Response::produce(TYPE, async move |mut sender| {
                    let task = glommio::spawn_local(async move {
                        while sender.send("more").await.is_ok() {
                            begun.open();
                        }
                        assert_eq!(sender.send("again").await, Err(BodyError::Closed));
                        told.open();
                    });
                    task.detach();
                    std::future::pending().await
                })
            }
        }
    });
    let mut client = support::Client::connect_narrow(server.address(), 4096);
    client.send(get("/"));
    assert_eq!(client.head().status, 200);
    begun.wait();
    client.reset();
    told.wait();
}

/// What has no end of its own ends in good order when the server stops: also where it begins only then.
#[test]
fn a_stream_that_ends_on_stop_does() {
    let (entered, gate) = (Gate::default(), Gate::default());
    let server = TestServer::start(|config| config.drain_timeout = Duration::from_secs(3600), {
        let (entered, gate) = (entered.clone(), gate.clone());
        move |_| {
            let (entered, gate) = (entered.clone(), gate.clone());
            async move |request: Request| {
                if request.path() == "/late" {
                    entered.open();
                    gate.passed().await;
                }
                let first = stream::once(Ok::<_, io::Error>("hello"));
                Response::stream(TYPE, first.chain(stream::pending())).with_end_on_stop()
            }
        }
    });
    let (mut early, mut late) = (server.connect(), server.connect());
    early.send(get("/"));
    let head = early.head();
    assert_eq!((early.line(), early.line()), ("5".into(), "hello".into()));
    late.send(get("/late"));
    entered.wait();
    let handle = server.handle();
    handle.stop();
    assert!(!head.closes());
    assert_eq!((early.line(), early.line()), ("0".into(), String::new()));
    early.assert_closed();
    gate.open();
    let head = late.head();
    assert!(head.closes());
    late.try_body(&head, |_| {}).expect("it ends in good order");
    late.assert_closed();
    server.join().expect("nothing was cut");
}
