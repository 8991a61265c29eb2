//! Clients that break the protocol: each is told so or cut off, nobody else notices, and nothing is left behind.

use crate::support::frames::{
    BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, WebSocket, close, frame, header, unmasked_header,
};
use crate::support::process::Server;
use crate::support::{eventually, procfs};

/// What a client sends, and the code with which it is closed.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    code: u16,
}

fn case(name: &'static str, code: u16, frames: &[Vec<u8>]) -> Case {
    Case {
        name,
        bytes: frames.concat(),
        code,
    }
}

/// RFC 6455 §5.1 to §5.5.
fn broken_frames() -> Vec<Case> {
    let unmasked = [unmasked_header(FIN | TEXT, 5), b"hello".to_vec()].concat();
    let part = frame(TEXT, b"one");
    vec![
        case("an unmasked frame", 1002, &[unmasked]),
        case("the first reserved bit", 1002, &[frame(FIN | 0x40 | TEXT, b"x")]),
        case("the second reserved bit", 1002, &[frame(FIN | 0x20 | TEXT, b"x")]),
        case("the third reserved bit", 1002, &[frame(FIN | 0x10 | PING, b"x")]),
        case("a reserved data opcode", 1002, &[frame(FIN | 0x3, b"x")]),
        case("another one", 1002, &[frame(0x7, b"")]),
        case("a reserved control opcode", 1002, &[frame(FIN | 0xb, b"x")]),
        case("another one of those", 1002, &[frame(FIN | 0xf, b"")]),
        case("a fragmented ping", 1002, &[frame(PING, b"x")]),
        case("a fragmented Close", 1002, &[frame(CLOSE, &1000_u16.to_be_bytes())]),
        case("a long ping", 1002, &[frame(FIN | PING, &[b'x'; 126])]),
        case("a long Close", 1002, &[close(1000, &[b'x'; 124])]),
        case("a continuation of nothing", 1002, &[frame(FIN | CONTINUATION, b"x")]),
        case(
            "a continuation behind a whole message",
            1002,
            &[frame(FIN | TEXT, b"x"), frame(CONTINUATION, b"y")],
        ),
        case("text amid fragments", 1002, &[part.clone(), frame(FIN | TEXT, b"x")]),
        case("bytes amid fragments", 1002, &[part, frame(BINARY, b"x")]),
        case("a frame of 2^63 bytes", 1009, &[header(FIN | BINARY, 1 << 63)]),
        case("a frame of 2^64 - 1 bytes", 1009, &[header(FIN | TEXT, u64::MAX)]),
        case(
            "a frame that is too large",
            1009,
            &[header(FIN | BINARY, (1 << 20) + 1)],
        ),
        case(
            "a message that is too large",
            1009,
            &[frame(FIN | BINARY, &[0; (64 << 10) + 1])],
        ),
    ]
}

/// RFC 6455 §5.6, §7.4, §8.1.
fn broken_contents() -> Vec<Case> {
    let mut cases = vec![
        case("text that is not UTF-8", 1007, &[frame(FIN | TEXT, b"caf\xe9")]),
        case("an overlong form", 1007, &[frame(FIN | TEXT, b"\xc0\xaf")]),
        case("a surrogate", 1007, &[frame(FIN | TEXT, b"\xed\xa0\x80")]),
        case("above Unicode", 1007, &[frame(FIN | TEXT, b"\xf4\x90\x80\x80")]),
        case("half a character", 1007, &[frame(FIN | TEXT, b"caf\xc3")]),
        case(
            "half a character at the end of fragments",
            1007,
            &[frame(TEXT, b"caf"), frame(FIN | CONTINUATION, b"\xc3")],
        ),
        case(
            "a character that goes on wrongly in the next fragment",
            1007,
            &[frame(TEXT, b"caf\xc3"), frame(CONTINUATION, b"x")],
        ),
        case(
            "a fragment that is not UTF-8, and no more",
            1007,
            &[frame(TEXT, b"caf\xff")],
        ),
        case("a reason that is not UTF-8", 1007, &[close(1000, b"\xff\xfe")]),
        case("half a code", 1002, &[frame(FIN | CLOSE, &[3])]),
    ];
    let many: Vec<Vec<u8>> = std::iter::once(frame(BINARY, &[0; 1000]))
        .chain((0..66).map(|_| frame(CONTINUATION, &[0; 1000])))
        .collect();
    cases.push(case("a large message in small fragments", 1009, &many));
    for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, u16::MAX] {
        cases.push(case("a code that may not be sent", 1002, &[close(code, b"")]));
    }
    cases
}

/// A client that behaves is served, as ever.
fn assert_serves(server: &Server) {
    let mut socket = WebSocket::connect(server.address, "/echo");
    socket.send(&frame(FIN | TEXT, b"hello"));
    socket.expect(FIN | TEXT, b"hello");
    socket.send(&close(1000, b""));
    assert_eq!(socket.ending(), Some(1000));
}

/// Everything that the clients held is let go of.
fn assert_holds_nothing(server: &Server, descriptors: usize) {
    assert!(
        eventually(|| procfs::descriptors(server.pid()) <= descriptors),
        "{} descriptors are open, {descriptors} were",
        procfs::descriptors(server.pid())
    );
}

/// A server that has served once, and how many descriptors it has open without clients.
fn server() -> (Server, usize) {
    let server = Server::start("websocket", &["--cores", &procfs::allowed_cores()[0].to_string()]);
    let descriptors = procfs::descriptors(server.pid());
    assert_serves(&server);
    (server, descriptors)
}

#[test]
fn each_broken_rule_is_answered_with_its_code() {
    let (server, descriptors) = server();
    for path in ["/echo", "/room"] {
        for case in broken_frames().iter().chain(&broken_contents()) {
            let mut socket = WebSocket::connect(server.address, path);
            let _ = socket.try_send(&case.bytes); // It may be refused before all is sent.
            let code = socket.ending();
            assert_eq!(code, Some(case.code), "{path}: {}", case.name);
        }
    }
    assert_serves(&server);
    assert_holds_nothing(&server, descriptors);
}

/// The same, byte by byte. What ends early ends with the same code.
#[test]
fn no_cut_changes_the_verdict() {
    let (server, descriptors) = server();
    let short = |case: &Case| case.bytes.len() <= 64;
    for case in broken_frames()
        .iter()
        .chain(&broken_contents())
        .filter(|case| short(case))
    {
        let mut socket = WebSocket::connect(server.address, "/echo");
        for byte in &case.bytes {
            if socket.try_send(&[*byte]).is_err() {
                break;
            }
        }
        assert_eq!(socket.ending(), Some(case.code), "{}", case.name);
    }
    assert_serves(&server);
    assert_holds_nothing(&server, descriptors);
}

/// Valid frames that end at each of their bytes: by the end of the client's direction, and by a reset.
#[test]
fn connections_that_end_within_a_frame_leave_nothing_behind() {
    let (server, descriptors) = server();
    let dialogue = [
        frame(FIN | TEXT, b"hello"),
        frame(TEXT, b"he"),
        frame(FIN | PING, b"?"),
        frame(FIN | CONTINUATION, b"llo"),
        frame(FIN | BINARY, &[7; 130]),
        close(1000, b"bye"),
    ]
    .concat();
    for cut in 0..=dialogue.len() {
        let mut socket = WebSocket::connect(server.address, "/echo");
        socket.send(&dialogue[..cut]);
        socket.half_close();
        let expected = if cut < dialogue.len() { 1001 } else { 1000 };
        assert_eq!(socket.ending(), Some(expected), "cut at {cut}");

        let mut socket = WebSocket::connect(server.address, "/room");
        socket.send(&dialogue[..cut]);
        socket.reset();
    }
    assert_serves(&server);
    assert_holds_nothing(&server, descriptors);
}

#[test]
fn garbage_is_closed() {
    let (server, descriptors) = server();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..200 {
        let garbage: Vec<u8> = (0..400)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 56) as u8
            })
            .collect();
        let mut socket = WebSocket::connect(server.address, "/echo");
        let _ = socket.try_send(&garbage);
        socket.half_close();
        let code = socket.ending();
        let known = [1000, 1001, 1002, 1007, 1009];
        assert!(code.is_none_or(|code| known.contains(&code)), "round {round}: {code:?}");
    }
    assert_serves(&server);
    assert_holds_nothing(&server, descriptors);
}

/// Announced bytes take no memory before they come.
#[test]
fn what_is_only_announced_takes_no_memory() {
    const CLIENTS: usize = 300;
    let (server, descriptors) = server();
    let before = procfs::memory_kib(server.pid(), "VmRSS");
    let waiting: Vec<WebSocket> = (0..CLIENTS)
        .map(|_| {
            let mut socket = WebSocket::connect(server.address, "/echo");
            socket.send(&header(FIN | BINARY, 64 << 10));
            socket.send(&[0; 10]);
            socket
        })
        .collect();
    assert_serves(&server);
    let after = procfs::memory_kib(server.pid(), "VmRSS");
    let each = after.saturating_sub(before) / CLIENTS as u64;
    assert!(each < 32, "{each} KiB for each client that announces 64");
    drop(waiting);
    assert_holds_nothing(&server, descriptors);
}

/// Large messages leave no large buffers behind.
#[test]
fn what_large_messages_took_is_given_back() {
    const CLIENTS: usize = 300;
    let (server, descriptors) = server();
    let before = procfs::memory_kib(server.pid(), "VmRSS");
    let idle: Vec<WebSocket> = (0..CLIENTS)
        .map(|_| {
            let mut socket = WebSocket::connect(server.address, "/echo");
            let (first, last) = ([1; 30_000], [2; 30_000]);
            socket.send(&frame(BINARY, &first));
            socket.send(&frame(FIN | CONTINUATION, &last));
            socket.expect(FIN | BINARY, &[first, last].concat());
            socket
        })
        .collect();
    let each = || procfs::memory_kib(server.pid(), "VmRSS").saturating_sub(before) / CLIENTS as u64;
    assert!(eventually(|| each() < 32), "{} KiB for each client", each());
    drop(idle);
    assert_holds_nothing(&server, descriptors);
}
