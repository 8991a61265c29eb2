//! Server-sent events over a real socket.
#![cfg(feature = "sse")]

mod support;

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::{StreamExt, stream};
use ringlane::sse::{self, Channel, Event, Overflow};
use ringlane::{IntoResponse, Request, Response};
use support::requests::get;
use support::{Client, Gate, OnDrop, TestServer};

/// The next chunk, which is how each event is sent.
#[track_caller]
fn chunk(client: &mut Client) -> String {
    let size = u64::from_str_radix(&client.line(), 16).expect("it is the size of a chunk");
    let bytes = client.exactly(size);
    assert_eq!(client.line(), "");
    String::from_utf8(bytes).expect("events are UTF-8")
}

#[test]
fn events_are_sent_and_end() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| {
                let last: u64 = request.last_event_id().and_then(|id| id.parse().ok()).unwrap_or(0);
                let events = (last + 1..=3).filter_map(|n| Event::data("a\nb").id(n.to_string()).ok());
                sse::stream(stream::iter(events))
            }
        },
    );
    let mut client = server.connect();
    let answer = client.get("/");
    assert_eq!(
        answer.is(),
        (
            200,
            "data: a\ndata: b\nid: 1\n\ndata: a\ndata: b\nid: 2\n\ndata: a\ndata: b\nid: 3\n\n"
        )
    );
    assert_eq!(answer.field("content-type"), Some("text/event-stream"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    for (id, events) in [("2", 1), ("nonsense", 3), ("\u{ff}", 3), ("", 3)] {
        let answer = client.ask(format!("GET / HTTP/1.1\r\nHost: test\r\nLast-Event-ID: {id}\r\n\r\n"));
        assert_eq!(answer.text().matches("id:").count(), events, "{id:?}");
    }
}

/// Comments come where nothing else does, and only there.
#[test]
fn idle_streams_are_kept_alive() {
    let gate = Gate::default();
    let server = TestServer::start(|_| {}, {
        let gate = gate.clone();
        move |_| {
            let gate = gate.clone();
            async move |request: Request| {
                let gate = gate.clone();
                let late = stream::once_future(async move {
                    gate.passed().await;
                    Event::data("late")
                });
                let interval = match request.path() {
                    "/often" => Some(Duration::from_millis(2)),
                    "/never" => None,
                    _ => Some(Duration::ZERO),
                };
                sse::stream_with_keep_alive(late, interval)
            }
        }
    });
    let mut often = server.connect();
    let mut never = server.connect();
    never.send(get("/never"));
    never.head();
    often.send(get("/often"));
    often.head();
    for _ in 0..5 {
        assert_eq!(chunk(&mut often), ":\n\n");
    }
    assert!(never.is_silent());
    gate.open();
    assert_eq!(chunk(&mut never), "data: late\n\n");
    assert_eq!(never.line(), "0");
    let zero = server.connect().get("/zero");
    assert_eq!(zero.is(), (200, "data: late\n\n"));
}

/// A stream is dropped at once where its client resets, and behind the next thing that is sent where it closes.
#[test]
fn a_clients_leaving_is_noticed() {
    let (entered, dropped) = (Gate::default(), Gate::default());
    let endless = |entered: Gate, dropped: Gate, interval| {
        TestServer::start(
            |_| {},
            move |_| {
                let (entered, dropped) = (entered.clone(), dropped.clone());
                async move |_: Request| {
                    let guard = OnDrop(dropped.clone());
                    entered.open();
                    let events = stream::pending().map(move |event: Event| {
                        let _held = &guard;
                        event
                    });
                    sse::stream_with_keep_alive(events, interval)
                }
            },
        )
    };
    let server = endless(entered.clone(), dropped.clone(), None);
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    assert!(entered.is_open() && !dropped.is_open());
    client.reset();
    dropped.wait();

    let (entered, dropped) = (Gate::default(), Gate::default());
    let server = endless(entered, dropped.clone(), Some(Duration::from_millis(5)));
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    drop(client);
    dropped.wait();
}

/// A channel on its core: POST sends, GET listens. No server sends to clients that have gone.
#[test]
fn a_channel_tells_all_who_listen() {
    let server = TestServer::start(
        |_| {},
        |_| {
            let channel = RefCell::new(Some(Rc::new(Channel::new(4, Overflow::End))));
            async move |request: Request| -> Response {
                let Some(news) = channel.borrow().clone() else {
                    return Response::text("closed");
                };
                match request.path() {
                    "/listen" => sse::stream(news.subscribe()),
                    "/send" => news.send(&Event::data("news")).to_string().into_response(),
                    "/close" => {
                        channel.take();
                        Response::text("closed")
                    }
                    _ => news.subscribers().to_string().into_response(),
                }
            }
        },
    );
    let mut control = server.connect();
    assert_eq!(control.get("/send").text(), "0");
    let mut listeners: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for listener in &mut listeners {
        listener.send(get("/listen"));
        assert_eq!(listener.head().status, 200);
    }
    for _ in 0..10 {
        assert_eq!(control.get("/send").text(), "3");
        for listener in &mut listeners {
            assert_eq!(chunk(listener), "data: news\n\n");
        }
    }
    listeners.pop().expect("there are three").reset();
    // It is unsubscribed once the core has seen that.
    while control.get("/count").text() != "2" {}
    assert_eq!(control.get("/send").text(), "2");
    assert_eq!(control.get("/close").text(), "closed");
    for listener in &mut listeners {
        assert_eq!(chunk(listener), "data: news\n\n");
        assert_eq!(listener.line(), "0");
    }
}

/// A client that does not read holds nobody up, and no more is kept for it than its queue has room for.
#[test]
fn a_client_that_does_not_read_is_ended() {
    let server = TestServer::start(
        |config| config.output_bytes_max = 4096,
        |_| {
            let news = Channel::new(2, Overflow::End);
            let long = "x".repeat(64 << 10);
            async move |request: Request| -> Response {
                match request.path() {
                    "/listen" => sse::stream(news.subscribe()),
                    "/send" => news.send(&Event::data(&long)).to_string().into_response(),
                    _ => news.subscribers().to_string().into_response(),
                }
            }
        },
    );
    let mut slow = Client::connect_narrow(server.address(), 4096);
    slow.send(get("/listen"));
    let head = slow.head();
    let mut control = server.connect();
    let sent = (0..10_000).take_while(|_| control.get("/send").text() == "1").count();
    assert!(sent < 10_000, "it was never too slow");
    let mut bytes = 0;
    slow.try_body(&head, |piece| bytes += piece.len())
        .expect("it ends in good order");
    assert_eq!(
        bytes,
        sent * ("data: \n\n".len() + (64 << 10)),
        "all that was taken is sent"
    );
}

#[test]
fn events_end_when_the_server_stops() {
    let server = TestServer::start(
        |config| config.drain_timeout = Duration::from_secs(3600),
        |_| async |_: Request| sse::stream(stream::once(Event::data("hello")).chain(stream::pending())),
    );
    let mut client = server.connect();
    client.send(get("/"));
    client.head();
    assert_eq!(chunk(&mut client), "data: hello\n\n");
    server.handle().stop();
    assert_eq!((client.line(), client.line()), ("0".into(), String::new()));
    client.assert_closed();
    server.join().expect("nothing was cut");
}
