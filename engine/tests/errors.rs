//! What is refused, how it is said, and how the connection ends: each rule of RFC 9110 and RFC 9112 that the engine
//! enforces, over a socket. The words of the rules are tested in `ringlane-protocol`.

mod support;

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use ringlane::{Request, StatusCode};
use support::{Client, Count, LIMIT, TestServer};

/// The default of `buffer_bytes`.
const BUFFER_BYTES: usize = 4096;

/// A head around one odd part.
fn fields(lines: &str) -> Vec<u8> {
    format!("POST /unknown HTTP/1.1\r\nHost: test\r\n{lines}\r\n\r\n").into_bytes()
}

/// A request line and what goes with it.
fn line(line: &str) -> Vec<u8> {
    format!("{line}\r\nHost: test\r\n\r\n").into_bytes()
}

/// A chunked body, as it stands.
fn chunks(body: &str) -> Vec<u8> {
    format!("POST /unknown HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes()
}

/// Every input with the status that answers it.
fn table() -> Vec<(Vec<u8>, u16)> {
    let mut table = vec![
        // Lines: RFC 9112 §2.2.
        (b"GET / HTTP/1.1\nHost: test\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: test\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: test\r\n\n".to_vec(), 400),
        (b"GET / HTTP/1.1\rHost: test\r\n\r\n".to_vec(), 400),
        (b"\n\nGET / HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(), 400),
        (b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\n Host: test\r\n\r\n".to_vec(), 400),
        // Request lines: RFC 9112 §3.
        (line(" GET / HTTP/1.1"), 400),
        (line("GET  / HTTP/1.1"), 400),
        (line("GET /  HTTP/1.1"), 400),
        (line("GET\t/\tHTTP/1.1"), 400),
        (line("GET / HTTP/1.1 "), 400),
        (line("GET /a b HTTP/1.1"), 400),
        (line("GET HTTP/1.1"), 400),
        (line("GET /"), 400),
        (line("/ HTTP/1.1"), 400),
        (line("G@T / HTTP/1.1"), 400),
        (line("GET /a#b HTTP/1.1"), 400),
        (line("GET /\"a\" HTTP/1.1"), 400),
        (line("GET /<a> HTTP/1.1"), 400),
        (line("GET /a?b^c HTTP/1.1"), 400),
        (line("GET a HTTP/1.1"), 400),
        (line("GET * HTTP/1.1"), 400),
        (line("GET test:80 HTTP/1.1"), 400),
        (line("GET http://user@test/ HTTP/1.1"), 400),
        (line("GET http:/// HTTP/1.1"), 400),
        (line("GET / http/1.1"), 400),
        (line("GET / HTTP/1"), 400),
        (line("GET / HTTP/1.1x"), 400),
        (line("GET / HTTPS/1.1"), 400),
        (line("GET / HTTP/2.0"), 505),
        (line("GET / HTTP/0.9"), 505),
        (line("GET / HTTP/3.0"), 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 505),
        (line("BREW /pot HTTP/1.1"), 501),
        (line("get / HTTP/1.1"), 501),
        (line("CONNECT test:443 HTTP/1.1"), 405),
        // Fields: RFC 9112 §5, RFC 9110 §5.5.
        (fields("X-Field : value"), 400),
        (fields("X Field: value"), 400),
        (fields(": value"), 400),
        (fields("X-Field"), 400),
        (fields("X-Field: a\r\n folded"), 400),
        (fields("X-Field: a\r\n\tfolded"), 400),
        (fields("X-Field: a\0b"), 400),
        (fields("X-Field: a\rb"), 400),
        (fields("X-Field: a\x01b"), 400),
        (fields("X-Field: a\x7fb"), 400),
        // Host: RFC 9112 §3.2.
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 400),
        (fields("Host: test"), 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: user@test\r\n\r\n".to_vec(), 400),
        (b"GET / HTTP/1.1\r\nHost: test:port\r\n\r\n".to_vec(), 400),
        // Framing: RFC 9112 §6, RFC 9110 §8.6.
        (fields("Content-Length: +5"), 400),
        (fields("Content-Length: -5"), 400),
        (fields("Content-Length: 0x5"), 400),
        (fields("Content-Length: 5, 5"), 400),
        (fields("Content-Length: 5\r\nContent-Length: 5"), 400),
        (fields("Content-Length: 18446744073709551616"), 400),
        (fields("Content-Length:"), 400),
        (fields("Content-Length: 5 5"), 400),
        (fields("Content-Length: 9999999999"), 413),
        (fields("Content-Length: 5\r\nTransfer-Encoding: chunked"), 400),
        (fields("Transfer-Encoding: chunked\r\nContent-Length: 5"), 400),
        (fields("Transfer-Encoding: chunked, gzip"), 400),
        (fields("Transfer-Encoding: chunked, chunked"), 400),
        (fields("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"), 400),
        (fields("Transfer-Encoding: chunked;a=b"), 400),
        (fields("Transfer-Encoding: "), 400),
        (fields("Transfer-Encoding: gzip, chunked"), 501),
        (fields("Transfer-Encoding: gzip"), 501),
        (fields("Transfer-Encoding: xchunked"), 501),
        (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(), 400),
        (fields("Expect: miracles\r\nContent-Length: 5"), 417),
        (fields("Connection: clo se"), 400),
        // Chunks: RFC 9112 §7.1.
        (chunks("\r\n"), 400),
        (chunks("g\r\n"), 400),
        (chunks(" 5\r\n"), 400),
        (chunks("+5\r\n"), 400),
        (chunks("0x5\r\n"), 400),
        (chunks("5\nhello\r\n"), 400),
        (chunks("5\rhello\r\n"), 400),
        (chunks("5\r\nhello0\r\n\r\n"), 400),
        (chunks("5\r\nhello\n0\r\n\r\n"), 400),
        (chunks("5\r\nhello\rx"), 400),
        (chunks("10000000000000000\r\n"), 400),
        (chunks("5;\x01\r\nhello\r\n0\r\n\r\n"), 400),
        (chunks("5;a=\"b\nhello\r\n0\r\n\r\n"), 400),
        (chunks("5 \r\nhello\r\n0\r\n\r\n"), 400),
        (chunks("0\r\nX-Trailer: a\n\r\n"), 400),
        (chunks("0\r\nX Trailer: a\r\n\r\n"), 400),
        (chunks("0\r\nContent-Length: 5\r\n\r\n"), 400),
        (chunks("0\r\nX-Trailer: a\r\n b\r\n\r\n"), 400),
        (chunks("ffffffff\r\n"), 413),
        (chunks("ffffffffffffffff\r\n"), 413),
        // Sizes.
        (line(&format!("GET /{} HTTP/1.1", "a".repeat(8192))), 414),
        (fields(&format!("X-Field: {}", "a".repeat(16 << 10))), 431),
        (fields(&"X-Field: a\r\n".repeat(100)), 431),
        (chunks(&format!("0\r\nX-Trailer: {}\r\n\r\n", "a".repeat(8 << 10))), 431),
    ];
    // RFC 9112 §3.2: bytes that no URI has.
    for byte in [0x00, 0x01, 0x0b, 0x7f, 0x80, 0xc3, 0xff] {
        table.push((
            [b"GET /", &[byte][..], b" HTTP/1.1\r\nHost: test\r\n\r\n"].concat(),
            400,
        ));
    }
    table
}

fn show(input: &[u8]) -> String {
    input[..input.len().min(120)].escape_ascii().to_string()
}

/// A server that knows no path, and counts what it is asked for.
fn server() -> (TestServer, Count) {
    let calls = Count::default();
    let server = TestServer::start(|_| {}, {
        let calls = calls.clone();
        move |_| {
            let calls = calls.clone();
            async move |request: Request| {
                calls.add();
                // As a handler does that wants the body: a broken one shows before the routing.
                match request.body().bytes(1 << 20).await {
                    Ok(_) => StatusCode::NOT_FOUND,
                    Err(_) => StatusCode::IM_A_TEAPOT,
                }
            }
        }
    });
    (server, calls)
}

fn assert_refused(client: &mut Client, input: &[u8], status: u16) {
    let answer = client
        .try_answer()
        .unwrap_or_else(|error| panic!("{error} in answer to {}", show(input)));
    assert_eq!(answer.status, status, "{}", show(input));
    assert!(
        answer.closes(),
        "Connection: close is missing in answer to {}",
        show(input)
    );
    assert!(
        !answer.body.is_empty(),
        "no reason is given in answer to {}",
        show(input)
    );
    client.assert_closed();
}

#[test]
fn each_malformed_request_gets_its_status_and_the_connection_ends() {
    let (server, calls) = server();
    let table = table();
    assert!(table.len() >= 40);
    for (input, status) in &table {
        let calls_before = calls.get();
        let mut client = server.connect();
        client.send(input);
        assert_refused(&mut client, input, *status);
        // Of what spans several buffers, a head may be acted upon before the body shows its fault.
        if input.len() < BUFFER_BYTES {
            assert_eq!(calls.get(), calls_before, "the service was called with {}", show(input));
        }
    }
    assert_eq!(server.connect().get("/unknown").status, 404);
}

/// The same with requests before it on its connection, and requests behind it.
#[test]
fn a_malformed_request_is_refused_wherever_it_stands() {
    let (server, calls) = server();
    let good = &b"GET /unknown HTTP/1.1\r\nHost: test\r\n\r\n"[..];
    let in_one_buffer = |(input, _): &(Vec<u8>, u16)| input.len() + 4 * good.len() < BUFFER_BYTES;
    for (number, (input, status)) in table().into_iter().filter(in_one_buffer).enumerate() {
        let mut client = server.connect();
        // Behind it, first the end of whatever it began.
        client.send([good, good, &input, &b"\r\n\r\n"[..], good, good].concat());
        assert_eq!(client.answer().status, 404);
        assert_eq!(client.answer().status, 404);
        assert_refused(&mut client, &input, status);
        assert_eq!(calls.get(), 2 * (number + 1), "{}", show(&input));
    }
}

/// The status does not depend on how the bytes come.
#[test]
fn a_malformed_request_is_refused_however_it_is_cut() {
    let (server, _) = server();
    let mut other = server.connect();
    for (input, status) in table().iter().filter(|(input, _)| input.len() < 200) {
        for at in [1, input.len() / 3, input.len() / 2, input.len() - 1] {
            let mut client = server.connect();
            client.send(&input[..at]);
            assert_eq!(other.get("/unknown").status, 404); // The server has seen the first part by now.
            // It may have been enough, and the connection closed.
            let _ = client.try_send(&input[at..]);
            assert_refused(&mut client, input, *status);
        }
    }
}

/// RFC 9112 §9.6: what the client still sends must not cost it the answer, as a reset would.
#[test]
fn the_answer_is_readable_behind_a_megabyte_of_unread_input() {
    let (server, _) = server();
    let behind = vec![b'x'; 1 << 20];
    for input in [
        b"GET / HTTP/1.1\r\nHost : test\r\n\r\n".to_vec(),
        line("BREW /pot HTTP/1.1"),
        fields("Content-Length: 9999999999"),
        fields("Transfer-Encoding: gzip"),
        chunks("nonsense\r\n"),
        line(&format!("GET /{} HTTP/1.1", "a".repeat(9000))),
    ] {
        let mut client = server.connect();
        let mut writer = client.writer();
        thread::scope(|scope| {
            let input = &input;
            let behind = &behind;
            let writing = scope.spawn(move || {
                writer.write_all(input)?;
                writer.write_all(behind)
            });
            writing.join().unwrap().expect("the server takes what is under way");
        });
        let answer = client
            .try_answer()
            .unwrap_or_else(|error| panic!("{error} in answer to {}", show(&input)));
        assert!(answer.status >= 400 && answer.closes(), "{}", show(&input));
        client.assert_closed();
    }
}

/// But only so much: a client that never stops is not listened to for ever.
#[test]
fn what_comes_behind_an_error_is_read_up_to_a_limit() {
    let server = TestServer::start(
        |config| config.close_bytes_max = 100_000,
        |_| async |_: Request| "never",
    );
    let mut client = server.connect();
    client.send("nonsense\r\n");
    assert_eq!(client.answer().status, 400);
    let sent = (0..10_000)
        .take_while(|_| client.try_send(vec![b'x'; 10_000]).is_ok())
        .count();
    assert!(sent < 10_000, "the server reads on for ever");
}

/// Nor for ever is one that trickles, or does not close its side.
#[test]
fn a_closing_connection_is_closed_after_a_time() {
    let configure = |config: &mut ringlane::Config| config.close_timeout = Duration::from_millis(200);
    let server = TestServer::start(configure, |_| async |_: Request| "never");
    let mut silent = server.connect();
    silent.send("nonsense\r\n");
    assert_eq!(silent.answer().status, 400);
    let mut trickling = server.connect();
    trickling.send("nonsense\r\n");
    assert_eq!(trickling.answer().status, 400);
    trickling.assert_closed(); // That is the server's side; it still takes what comes.
    let began = Instant::now();
    while trickling.try_send("x").is_ok() {
        assert!(began.elapsed() < LIMIT, "the connection is never closed");
        thread::sleep(Duration::from_millis(10)); // The trickling client's pace.
    }
    // Nobody is there any more: the first bytes are answered with a reset, on which the next ones fail.
    silent.send("x");
    assert!(silent.try_send("x").is_err(), "the connection is never closed");
}

/// RFC 9110 §15.5.6.
#[test]
fn a_405_says_what_is_allowed() {
    let (server, _) = server();
    let mut client = server.connect();
    let answer = client.ask(line("CONNECT test:443 HTTP/1.1"));
    assert_eq!(answer.status, 405);
    let allowed = answer.field("allow").expect("Allow is there");
    assert!(allowed.contains("GET") && !allowed.contains("CONNECT"), "{allowed}");
}

/// RFC 9112 §2.2: up to two empty lines before a request are no mistake; §2.5: nor are later minor versions.
#[test]
fn what_is_odd_but_right_is_taken() {
    let (server, _) = server();
    let mut client = server.connect();
    for request in [
        &b"\r\nGET /unknown HTTP/1.1\r\nHost: test\r\n\r\n"[..],
        b"\r\n\r\nGET /unknown HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET /unknown HTTP/1.9\r\nHost: test\r\n\r\n",
        b"GET /%00%ff?a=b&c=d/?:@!$'()*+,;=-._~ HTTP/1.1\r\nHost: test\r\n\r\n",
        b"GET http://test:8080/unknown?a HTTP/1.1\r\nHost: test\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nhOST:[::1]:80\r\n\r\n",
        b"GET /unknown HTTP/1.1\r\nHost:\t test \t\r\nX-Field:\r\nX-Bytes: \xe9\xff\t!\r\n\r\n",
        b"POST /unknown HTTP/1.1\r\nHost: test\r\ncontent-length: 0005\r\n\r\nhello",
        b"POST /unknown HTTP/1.1\r\nHost: test\r\ntransfer-encoding: Chunked\r\n\r\n05;a ; b = \"c\\\"d\"\r\nhello\r\n000\r\nA: b\r\n\r\n",
    ] {
        let answer = client.ask(request);
        assert_eq!(answer.status, 404, "{}: {}", show(request), answer.text());
        assert!(!answer.closes(), "{}", show(request));
    }
}
