//! WebSocket connections beyond what the example shows: the handshake's rules, the two halves, keep-alive, the end.
#![cfg(feature = "websocket")]

mod support;

#[path = "../../examples/tests/support/frames.rs"]
#[allow(dead_code, reason = "the example's tests use all of it")]
mod frames;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use frames::{BINARY, CLOSE, FIN, PING, PONG, TEXT, WebSocket, close, frame, handshake};
use futures_lite::future::or;
use ringlane::websocket::{CloseCode, Error, Message, Options, Socket};
use ringlane::{Request, Response};
use support::{Client, Count, Gate, OnDrop, TestServer};

async fn echo(mut socket: Socket) {
    while let Some(Ok(message)) = socket.next().await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
}

/// A server of connections that are made with these options and run by `run`.
fn server<R, F>(options: Options, run: R) -> TestServer
where
    R: Fn(Socket) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = ()> + 'static,
{
    TestServer::start(
        |_| {},
        move |_| {
            let (options, run) = (options.clone(), run.clone());
            async move |request: Request| -> Response { options.upgrade(&request, run.clone()) }
        },
    )
}

/// RFC 9110 §15.5.22: whatever page a 426 gets, it names the protocol.
#[test]
fn a_refused_handshake_may_get_a_body() {
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| -> Response {
                Options::new().upgrade(&request, echo).with_body("use a WebSocket\n")
            }
        },
    );
    let mut client = server.connect();
    let answer = client.get("/");
    assert_eq!(
        (answer.is(), answer.field("upgrade")),
        ((426, "use a WebSocket\n"), Some("websocket"))
    );
    // What would have been accepted is not, and is an ordinary response.
    let answer = client.ask(handshake("/"));
    assert_eq!(
        (answer.is(), answer.field("upgrade")),
        ((200, "use a WebSocket\n"), None)
    );
}

/// RFC 6455 §4.2.1, §4.4, §10.2.
#[test]
fn handshakes_that_are_none_are_refused_by_their_fault() {
    let options = Options::new().origins(["https://example.org", "null"]);
    let server = server(options, echo);
    let valid = handshake("/");
    let body = valid.replace("\r\n\r\n", "\r\nContent-Length: 2\r\n\r\nhi");
    let twice = valid.replace("\r\n\r\n", "\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    let origin = |origin: &str| valid.replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n"));
    let table = [
        ("POST", valid.replace("GET", "POST"), 405),
        ("HTTP/1.0", valid.replace("HTTP/1.1", "HTTP/1.0"), 426),
        ("no Upgrade", valid.replace("Upgrade: websocket\r\n", ""), 426),
        ("another protocol", valid.replace("websocket", "h2c"), 426),
        (
            "no Connection: upgrade",
            valid.replace("Connection: Upgrade", "Connection: keep-alive"),
            426,
        ),
        ("no version", valid.replace("Sec-WebSocket-Version: 13\r\n", ""), 426),
        ("version 8", valid.replace("Version: 13", "Version: 8"), 426),
        ("versions 8 and 13", valid.replace("Version: 13", "Version: 8, 13"), 426),
        (
            "no key",
            valid.replace("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", ""),
            400,
        ),
        (
            "a short key",
            valid.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZQ=="),
            400,
        ),
        (
            "a key not in base64",
            valid.replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25j!!=="),
            400,
        ),
        ("two keys", twice, 400),
        ("a body", body, 400),
        ("a foreign page", origin("https://example.com"), 403),
        ("the page without TLS", origin("http://example.org"), 403),
        (
            "two origins",
            origin("https://example.org\r\nOrigin: https://example.org"),
            403,
        ),
        ("a page that may", origin("https://example.org"), 101),
        ("another one", origin("null"), 101),
        (
            "mixed case",
            valid
                .replace("websocket", "WebSocket")
                .replace("Upgrade\r\n", "keep-alive, UPGRADE\r\n"),
            101,
        ),
    ];
    for (name, request, status) in table {
        let mut client = Client::connect(server.address());
        client.send(&request);
        let head = client.head();
        assert_eq!(head.status, status, "{name}");
        let told = (head.field("upgrade"), head.field("sec-websocket-version"));
        assert_eq!(
            told == (Some("websocket"), Some("13")),
            status == 426,
            "{name}: {told:?}"
        );
        assert_eq!(head.field("sec-websocket-accept").is_some(), status == 101, "{name}");
    }
}

/// Without a word about origins, pages of the same host and port may connect.
#[test]
fn by_default_the_page_must_be_the_servers_own() {
    let server = server(Options::new(), echo);
    for (origin, status) in [
        ("http://test", 101),
        ("https://TEST", 101),
        ("http://test:8080", 403),
        ("http://test.example.org", 403),
        ("null", 403),
    ] {
        let mut client = Client::connect(server.address());
        client.send(handshake("/").replace("\r\n\r\n", &format!("\r\nOrigin: {origin}\r\n\r\n")));
        assert_eq!(client.head().status, status, "{origin}");
    }
}

/// RFC 6455 §4.2.2: the client's order counts, over all fields.
#[test]
fn a_subprotocol_is_agreed_upon_where_both_know_one() {
    let server = server(Options::new().protocols(["v1", "v2"]), |mut socket| async move {
        let name = format!("{:?}", socket.protocol());
        let _ = socket.send(name).await;
    });
    for (offer, agreed) in [
        ("v3, v2,v1", Some("v2")),
        ("v3\r\nSec-WebSocket-Protocol: v1", Some("v1")),
        ("V1", None),
        ("v3", None),
    ] {
        let asking = handshake("/").replace("\r\n\r\n", &format!("\r\nSec-WebSocket-Protocol: {offer}\r\n\r\n"));
        let mut socket = WebSocket::offer(server.address(), &asking).unwrap();
        let head = socket.head().unwrap();
        let field = agreed.map(|name| format!("Sec-WebSocket-Protocol: {name}\r\n"));
        assert_eq!(head.contains("Sec-WebSocket-Protocol"), agreed.is_some(), "{head}");
        assert!(field.is_none_or(|field| head.contains(&field)), "{head}");
        assert_eq!(socket.text(), format!("{agreed:?}"));
        assert_eq!(socket.ending(), Some(1000));
    }
}

/// Two tasks, one of which sends more than is queued, while the other one answers pings.
#[test]
fn the_halves_may_be_used_by_two_tasks() {
    let server = server(Options::new(), |socket| async move {
        let (mut sender, mut receiver) = socket.split();
        let sending = glommio::spawn_local(async move {
            for number in 0..200_u32 {
                if sender.send(vec![number as u8; 50_000]).await.is_err() {
                    return;
                }
            }
            let _ = sender.close(CloseCode::NORMAL, "all sent").await;
        });
        while let Some(Ok(_)) = receiver.next().await {}
        sending.await;
    });
    let mut socket = WebSocket::connect(server.address(), "/");
    for number in 0..50_u32 {
        socket.send(&frame(FIN | PING, &number.to_be_bytes()));
    }
    let (mut messages, mut last_pong) = (0_u32, None);
    loop {
        let frame = socket.read().unwrap();
        match frame.first & 0xf {
            BINARY => {
                assert!(frame.payload.len() == 50_000 && frame.payload[7] == messages as u8);
                messages += 1;
            }
            PONG => last_pong = frame.payload.first_chunk().copied().map(u32::from_be_bytes),
            CLOSE => break assert_eq!(frame.code(), Some(1000)),
            other => panic!("{other:#x}"),
        }
    }
    // §5.5.3: only the newest ping has to be answered.
    assert_eq!((messages, last_pong), (200, Some(49)));
    socket.send(&close(1000, b""));
    assert!(socket.is_ended());
}

/// A dropped `next` or `send` loses nothing and sends no half.
#[test]
fn futures_may_be_dropped_at_any_time() {
    let server = server(Options::new(), |mut socket| async move {
        let mut total = 0_u32;
        while total < 100 {
            let next = async { socket.next().await.map(Result::ok) };
            let other = async {
                futures_lite::future::yield_now().await;
                Some(None)
            };
            match or(next, other).await {
                Some(Some(_)) => total += 1,
                Some(None) => {}
                None => return,
            }
        }
        for size in [10, 300_000, 20] {
            let send = async { socket.send(vec![7; size]).await.is_ok() };
            or(send, async { false }).await; // Polled once.
        }
        let _ = socket.send("end").await;
        let _ = socket.close(CloseCode::NORMAL, "").await;
    });
    let mut socket = WebSocket::connect(server.address(), "/");
    let many: Vec<u8> = (0..100).flat_map(|_| frame(FIN | TEXT, b"hello")).collect();
    for piece in many.chunks(7) {
        socket.send(piece);
    }
    let mut sizes = Vec::new();
    loop {
        let frame = socket.read().unwrap();
        if frame.first == FIN | TEXT {
            break;
        }
        assert!(frame.first == FIN | BINARY && frame.payload.iter().all(|byte| *byte == 7));
        sizes.push(frame.payload.len());
    }
    let whole = |size: &usize| [10, 300_000, 20].contains(size);
    assert!(sizes.contains(&10) && sizes.iter().all(whole), "{sizes:?}");
    assert_eq!(socket.ending(), Some(1000));
}

/// Whoever reads nothing holds its sender back, and a dropped handler holds nothing.
#[test]
fn a_slow_reader_holds_its_sender_back() {
    let (sent, gone) = (Count::default(), Gate::default());
    let (counted, dropped) = (sent.clone(), gone.clone());
    let server = server(Options::new(), move |mut socket| {
        let (sent, guard) = (counted.clone(), OnDrop(dropped.clone()));
        async move {
            let _guard = guard;
            while sent.get() < 10_000 && socket.send(vec![0; 100_000]).await.is_ok() {
                sent.add();
            }
        }
    });
    let mut socket = WebSocket::connect(server.address(), "/");
    sent.wait_for(1);
    for _ in 0..20 {
        assert_eq!(socket.read().unwrap().payload.len(), 100_000);
    }
    assert!(
        sent.get() < 1_000,
        "{} messages were taken for 20 that were read",
        sent.get()
    );
    socket.reset();
    gone.wait();
}

#[test]
fn a_silent_peer_is_pinged_and_one_that_answers_stays() {
    let options = Options::new().ping_interval(Duration::from_millis(20));
    let server = server(options, echo);
    let mut socket = WebSocket::connect(server.address(), "/");
    for _ in 0..5 {
        socket.expect(FIN | PING, b"");
        socket.send(&frame(FIN | PONG, b""));
    }
    socket.send(&close(1000, b""));
    assert_eq!(socket.ending(), Some(1000));
}

#[test]
fn a_peer_that_does_not_answer_is_given_up() {
    let errors = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&errors);
    let short = Duration::from_millis(20);
    let options = Options::new().ping_interval(short).pong_timeout(short);
    let server = server(options, move |mut socket| {
        let noted = Arc::clone(&noted);
        async move {
            while let Some(message) = socket.next().await {
                noted
                    .lock()
                    .unwrap()
                    .push(message.map_err(|error| matches!(error, Error::TimedOut)));
            }
        }
    });
    let mut socket = WebSocket::connect(server.address(), "/");
    socket.expect(FIN | PING, b"");
    assert_eq!(socket.ending(), Some(1011));
    assert_eq!(*errors.lock().unwrap(), [Err(true)]);
}

/// RFC 6455 §7.1: what the peer sends between one's own Close and its answer, and who never answers.
#[test]
fn a_close_of_ones_own_waits_for_the_answer_but_not_forever() {
    let done = Gate::default();
    let opened = done.clone();
    let options = Options::new().close_timeout(Duration::from_millis(50));
    let server = server(options, move |mut socket| {
        let done = opened.clone();
        async move {
            let first = socket.next().await;
            assert!(matches!(first, Some(Ok(Message::Text(_)))));
            let _ = socket
                .close(CloseCode::new(4001).unwrap_or(CloseCode::NORMAL), "enough")
                .await;
            done.open();
        }
    });
    let mut socket = WebSocket::connect(server.address(), "/");
    socket.send(&frame(FIN | TEXT, b"hello"));
    let last = socket.read().unwrap();
    assert_eq!(
        (last.first, last.code(), &last.payload[2..]),
        (FIN | CLOSE, Some(4001), &b"enough"[..])
    );
    done.wait();
    assert!(socket.is_ended());
}

/// What the handler learns of the peer's Close.
#[test]
fn the_peers_words_are_kept() {
    let words = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&words);
    let done = Count::default();
    let counted = done.clone();
    let server = server(Options::new(), move |mut socket| {
        let (noted, done) = (Arc::clone(&noted), counted.clone());
        async move {
            while let Some(Ok(_)) = socket.next().await {}
            let said = socket
                .peer_close()
                .map(|close| (close.code.map(CloseCode::number), close.reason.to_string()));
            assert!(matches!(socket.send("late").await, Err(Error::Closed)));
            noted.lock().unwrap().push(said);
            done.add();
        }
    });
    for bytes in [close(4711, "grüße".as_bytes()), frame(FIN | CLOSE, b""), Vec::new()] {
        let mut socket = WebSocket::connect(server.address(), "/");
        socket.send(&bytes);
        socket.half_close();
        assert!(socket.ending().is_none_or(|code| [1001, 4711].contains(&code)));
    }
    done.wait_for(3);
    let expected = [
        Some((Some(4711), "grüße".to_owned())),
        Some((None, String::new())),
        None,
    ];
    assert_eq!(*words.lock().unwrap(), expected);
}

#[test]
fn a_panic_is_told_to_the_peer() {
    let server = server(Options::new(), |mut socket| async move {
        let message = socket.next().await;
        assert!(message.is_none(), "expected by the test");
    });
    let mut socket = WebSocket::connect(server.address(), "/");
    socket.send(&frame(FIN | TEXT, b"hello"));
    assert_eq!(socket.ending(), Some(1011));
}

/// A message that is on its way when the server stops is sent to its end, and Close behind it.
#[test]
fn a_drain_breaks_no_message() {
    let begun = Gate::default();
    let opened = begun.clone();
    let server = server(Options::new(), move |socket| {
        let begun = opened.clone();
        async move {
            let (mut sender, mut receiver) = socket.split();
            let speak = async {
                begun.open();
                while sender.send(vec![1; 200_000]).await.is_ok() {}
                std::future::pending::<()>().await;
            };
            let hear = async { while let Some(Ok(_)) = receiver.next().await {} };
            or(hear, speak).await;
        }
    });
    let mut socket = WebSocket::connect(server.address(), "/");
    begun.wait();
    server.handle().stop();
    loop {
        let frame = socket.read().unwrap();
        if frame.first == FIN | CLOSE {
            break assert_eq!(frame.code(), Some(1001));
        }
        assert!(frame.first == FIN | BINARY && frame.payload.len() == 200_000);
    }
    drop(socket);
    server.join().unwrap();
}
