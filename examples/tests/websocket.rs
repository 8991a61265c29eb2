//! The example of WebSockets, called by a client of these tests, which may also break every rule.
//!
//! Beside this file: what hostile clients do, and what others' clients and a browser make of it.

mod support;

#[path = "websocket/browser.rs"]
mod browser;
#[path = "websocket/hostile.rs"]
mod hostile;
#[path = "websocket/python.rs"]
mod python;

use std::collections::HashMap;
use std::time::Duration;

use support::client::Client;
use support::frames::{BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, WebSocket, close, frame};
use support::process::Server;
use support::procfs::allowed_cores;
use support::skip;

#[test]
fn messages_come_back_as_they_went() {
    let server = Server::start("websocket", &[]);
    let mut socket = WebSocket::connect(server.address, "/echo");
    socket.send(&frame(FIN | TEXT, "héllo".as_bytes()));
    socket.expect(FIN | TEXT, "héllo".as_bytes());
    for length in [0, 1, 125, 126, 127, 4096, 65_535, 65_536] {
        let bytes: Vec<u8> = (0..length).map(|at: u32| (at % 251) as u8).collect();
        socket.send(&frame(FIN | BINARY, &bytes));
        socket.expect(FIN | BINARY, &bytes);
    }
    // In fragments, cut within a character, with a ping between them.
    socket.send(&frame(TEXT, b"h\xc3"));
    socket.send(&frame(FIN | PING, b"still there?"));
    socket.expect(FIN | PONG, b"still there?");
    socket.send(&frame(CONTINUATION, b""));
    socket.send(&frame(FIN | CONTINUATION, b"\xa9llo"));
    socket.expect(FIN | TEXT, "héllo".as_bytes());
    // Many in one segment, behind a large one.
    let sizes = [60_000, 1, 5_000, 2, 3, 60_000, 4];
    let many: Vec<u8> = sizes
        .iter()
        .flat_map(|size| frame(FIN | BINARY, &vec![9; *size]))
        .collect();
    socket.send(&many);
    for size in sizes {
        socket.expect(FIN | BINARY, &vec![9; size]);
    }
    // A pong that nobody asked for is no matter (§5.5.3).
    socket.send(&frame(FIN | PONG, b"unasked"));
    socket.send(&frame(FIN | TEXT, b"last"));
    socket.expect(FIN | TEXT, b"last");
    socket.send(&close(1000, b"bye"));
    let answer = socket.read().unwrap();
    assert_eq!((answer.first, answer.code()), (FIN | CLOSE, Some(1000)));
    assert!(socket.is_ended());
}

#[test]
fn a_close_without_a_code_is_answered_with_one_without() {
    let server = Server::start("websocket", &[]);
    let mut socket = WebSocket::connect(server.address, "/echo");
    socket.send(&frame(FIN | CLOSE, b""));
    socket.expect(FIN | CLOSE, b"");
    assert!(socket.is_ended());
}

/// Everything in one segment, the handshake included.
#[test]
fn what_comes_with_the_handshake_is_heard() {
    let server = Server::start("websocket", &[]);
    let mut early = support::frames::handshake("/echo").into_bytes();
    early.extend(frame(FIN | TEXT, b"early"));
    early.extend(close(4000, b""));
    let mut socket = WebSocket::offer(server.address, &String::from_utf8_lossy(&early[..0])).unwrap();
    socket.send(&early);
    assert!(socket.head().unwrap().starts_with("HTTP/1.1 101 "));
    socket.expect(FIN | TEXT, b"early");
    assert_eq!(socket.ending(), Some(4000));
}

#[test]
fn the_page_is_served_and_handshakes_are_refused_where_they_should_be() {
    let server = Server::start("websocket", &[]);
    let mut client = Client::connect(server.address).unwrap();
    let page = client.get("/").unwrap();
    assert!(page.status == 200 && page.text().contains("new WebSocket"));
    let plain = client.get("/echo").unwrap();
    assert_eq!(
        (
            plain.status,
            plain.field("Upgrade"),
            plain.field("Sec-WebSocket-Version")
        ),
        (426, Some("websocket"), Some("13"))
    );
    client.ask("POST", "/room").unwrap();
    assert_eq!(client.read_response().unwrap().status, 405);
}

/// What a member is told as it comes: on which core it is.
fn core_of(greeting: &str) -> usize {
    let (_, core) = greeting.rsplit_once(" of core ").expect("a greeting names a core");
    core.trim_end_matches('.').parse().expect("a core has a number")
}

/// Reads until a line ends with these words.
fn hear(socket: &mut WebSocket, words: &str) -> String {
    loop {
        let line = socket.text();
        if line.ends_with(words) {
            return line;
        }
    }
}

#[test]
fn members_on_different_cores_hear_each_other() {
    if allowed_cores().len() < 2 {
        return skip("one core is no other than itself");
    }
    let server = Server::start("websocket", &[]);
    let mut members: HashMap<usize, WebSocket> = HashMap::new();
    let mut others = Vec::new(); // Kept, so that the kernel does not give the next one the same place.
    while members.len() < 2 {
        assert!(others.len() < 200, "the kernel gives all connections to one core");
        let mut socket = WebSocket::connect(server.address, "/room");
        let core = core_of(&socket.text());
        others.extend(members.insert(core, socket));
    }
    let cores: Vec<usize> = members.keys().copied().collect();
    for (from, to) in [(cores[0], cores[1]), (cores[1], cores[0])] {
        let words = format!("hello from {from}");
        members
            .get_mut(&from)
            .unwrap()
            .send(&frame(FIN | TEXT, words.as_bytes()));
        let line = hear(members.get_mut(&to).unwrap(), &words);
        assert!(line.contains(&format!("of core {from}: ")), "{line}");
        hear(members.get_mut(&from).unwrap(), &words);
    }
}

/// A member that does not read misses messages, and the others do not.
#[test]
fn a_slow_member_holds_nobody_up() {
    const MESSAGES: usize = 2_000;
    let server = Server::start("websocket", &["--cores", &allowed_cores()[0].to_string()]);
    let mut slow = WebSocket::connect(server.address, "/room");
    let mut quick = WebSocket::connect(server.address, "/room");
    let (_, _) = (slow.text(), quick.text());
    let filler = "x".repeat(10_000);
    for number in 0..MESSAGES {
        let words = format!("{number} {filler}");
        quick.send(&frame(FIN | TEXT, words.as_bytes()));
        assert!(hear(&mut quick, &filler).contains(&format!(": {number} ")), "{number}");
    }
    quick.send(&frame(FIN | TEXT, b"end"));
    hear(&mut quick, ": end");
    // 20 MB were said; what lay in the kernel and in the queue comes, the rest is lost, and the newest is heard again.
    let mut heard = 0;
    quick.send(&frame(FIN | TEXT, b"anew"));
    loop {
        let line = slow.text();
        if line.ends_with(": anew") {
            break;
        }
        heard += 1;
        if heard % 16 == 0 {
            quick.send(&frame(FIN | TEXT, b"anew"));
        }
    }
    assert!(heard < MESSAGES, "the slow member has missed nothing");
}

#[test]
fn a_server_that_stops_says_goodbye() {
    let server = Server::start("websocket", &[]);
    let mut echo = WebSocket::connect(server.address, "/echo");
    let mut member = WebSocket::connect(server.address, "/room");
    let _ = member.text();
    server.signal(libc::SIGTERM);
    for socket in [&mut echo, &mut member] {
        let last = socket.read().unwrap();
        assert_eq!((last.first, last.code()), (FIN | CLOSE, Some(1001)));
        socket.send(&close(1001, b""));
        assert!(socket.is_ended());
    }
    let ending = server.wait(Duration::from_secs(20));
    assert!(ending.status.success(), "{}", ending.stderr);
}
