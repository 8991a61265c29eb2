//! `Expect: 100-continue` (RFC 9110 §10.1.1).

mod support;

use ringlane::{Request, Response};
use support::requests::EXPECTING;
use support::services::{echo, echo_server};
use support::{Gate, TestServer};

/// RFC 9110 §10.1.1.
#[test]
fn continue_is_sent_when_the_body_is_read_and_not_before() {
    let (entered, gate) = (Gate::default(), Gate::default());
    let server = TestServer::start(|_| {}, {
        let (entered, gate) = (entered.clone(), gate.clone());
        move |_| {
            let (entered, gate) = (entered.clone(), gate.clone());
            async move |request: Request| {
                if request.path() == "/other" {
                    return Response::text("other");
                }
                entered.open();
                gate.passed().await;
                echo(request).await
            }
        }
    });
    let mut client = server.connect();
    client.send(EXPECTING);
    entered.wait();
    let mut other = server.connect();
    for _ in 0..20 {
        assert_eq!(other.get("/other").is(), (200, "other"));
    }
    assert!(client.is_silent(), "100 Continue was sent before the body was read");
    gate.open();
    let interim = client.head();
    assert_eq!((interim.status, interim.fields.len()), (100, 0));
    client.send("hello");
    assert_eq!(client.answer().is(), (200, "hello"));
    // The connection goes on, and in chunks it is no different.
    client.send("POST /next HTTP/1.1\r\nHost: test\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("5\r\nhello\r\n");
    client.send("0\r\n\r\n");
    assert_eq!(client.answer().is(), (200, "hello"));
}

/// A response that streams the request's body reads it, too.
#[test]
fn continue_is_sent_when_the_response_streams_the_body() {
    let server = echo_server(|_| {});
    for path in ["/stream", "/length"] {
        let mut client = server.connect();
        client.send(EXPECTING.replace("/bytes", path));
        assert_eq!(
            client.head().status,
            100,
            "{path}: an interim response must come before the final one"
        );
        client.send("hello");
        assert_eq!(client.answer().is(), (200, "hello"), "{path}");
    }
}

/// RFC 9110 §10.1.1: it may be left out where the body is already coming, and is meant for HTTP/1.1 alone.
#[test]
fn continue_is_not_sent_where_nobody_waits_for_it() {
    let server = echo_server(|_| {});
    let mut client = server.connect();
    assert_eq!(client.ask(format!("{EXPECTING}hello")).is(), (200, "hello"));
    let empty = EXPECTING.replace("Content-Length: 5", "Content-Length: 0");
    assert_eq!(client.ask(empty).is(), (200, ""));
    client.send(EXPECTING.replace("HTTP/1.1", "HTTP/1.0"));
    let mut other = server.connect();
    for _ in 0..20 {
        assert_eq!(other.get("/").is(), (200, "ignored"));
    }
    assert!(client.is_silent());
    client.send("hello");
    assert_eq!(client.answer().is(), (200, "hello"));
    client.assert_closed();
}

#[test]
fn an_unread_expectation_gets_a_final_answer_and_the_connection_ends() {
    let server = echo_server(|_| {});
    let mut client = server.connect();
    let answer = client.ask(EXPECTING.replace("/bytes", "/ignored"));
    assert_eq!(answer.is(), (200, "ignored"));
    // Whether the body will come or not nobody knows: so nothing can follow.
    assert!(answer.closes());
    client.assert_closed();
}

#[test]
fn expectations_that_cannot_be_met_are_refused() {
    let server = echo_server(|_| {});
    for (from, to, status) in [
        ("100-continue", "200-ok", 417),
        ("100-continue", "100-continue, more", 417),
        ("Length: 5", "Length: 2097153", 413),
    ] {
        let mut client = server.connect();
        let answer = client.ask(EXPECTING.replace(from, to));
        assert_eq!(answer.status, status, "{to}");
        assert!(answer.closes());
        client.assert_closed();
    }
}
