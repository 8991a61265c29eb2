//! The examples that do more than hello: echo, chat and state.

mod support;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use support::client::{Chunked, Client};
use support::eventually;
use support::process::Server;
use support::procfs::{allowed_cores, memory_kib};

/// How much goes through /echo.
const TOTAL: u64 = 256 << 20;
/// How much is made, sent and read at a time.
const BLOCK: usize = 64 << 10;
/// By how much the server's memory may grow meanwhile.
const GROWTH_MAX_KIB: u64 = 16 << 10;

fn on_one_core(name: &str) -> Server {
    Server::start(name, &["--cores", &allowed_cores()[0].to_string()])
}

/// Content in which no two places are alike (Marsaglia's xorshift64), and the hash of what has passed (after FNV-1a,
/// by words).
struct Content {
    word: u64,
    hash: u64,
}

impl Content {
    fn new() -> Content {
        Content {
            word: 0x9e37_79b9_7f4a_7c15,
            hash: 0xcbf2_9ce4_8422_2325,
        }
    }

    fn fill(&mut self, block: &mut [u8]) {
        for place in block.chunks_exact_mut(8) {
            self.word ^= self.word << 13;
            self.word ^= self.word >> 7;
            self.word ^= self.word << 17;
            place.copy_from_slice(&self.word.to_le_bytes());
        }
        self.pass(block);
    }

    fn pass(&mut self, block: &[u8]) {
        for place in block.chunks_exact(8) {
            let word = u64::from_le_bytes(place.try_into().unwrap());
            self.hash = (self.hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(5);
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Length,
    Chunked,
}

/// Sends the content, counting it in `sent`. Returns its hash.
fn send(mut stream: TcpStream, framing: Framing, sent: &AtomicU64) -> io::Result<u64> {
    let field = match framing {
        Framing::Length => format!("Content-Length: {TOTAL}"),
        Framing::Chunked => "Transfer-Encoding: chunked".to_owned(),
    };
    write!(stream, "POST /echo HTTP/1.1\r\nHost: test\r\n{field}\r\n\r\n")?;
    let mut content = Content::new();
    let mut block = vec![0; BLOCK];
    // Chunk sizes that fall on no boundary of the server's, and on some.
    let mut sizes = [1, 4096, 17, 12_345, 4095, BLOCK, 333].into_iter().cycle();
    for _ in 0..TOTAL / BLOCK as u64 {
        content.fill(&mut block);
        let mut rest = &block[..];
        while !rest.is_empty() {
            let (piece, behind) = match framing {
                Framing::Length => (rest, &rest[..0]),
                Framing::Chunked => rest.split_at(sizes.next().unwrap_or(1).min(rest.len())),
            };
            if framing == Framing::Chunked {
                let mut chunk = format!("{:x}\r\n", piece.len()).into_bytes();
                chunk.extend_from_slice(piece);
                chunk.extend_from_slice(b"\r\n");
                stream.write_all(&chunk)?;
            } else {
                stream.write_all(piece)?;
            }
            rest = behind;
        }
        sent.fetch_add(BLOCK as u64, Ordering::Relaxed);
    }
    if framing == Framing::Chunked {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(content.hash)
}

/// Waits until nothing more is sent, which is when all buffers on the way are full.
fn wait_until_held_back(sent: &AtomicU64) -> u64 {
    let mut before = u64::MAX;
    assert!(eventually(|| {
        thread::sleep(Duration::from_millis(300));
        let now = sent.load(Ordering::Relaxed);
        std::mem::replace(&mut before, now) == now
    }));
    before
}

/// Reads the content; stops for a while where an eighth has come. Returns its hash.
fn receive(mut body: impl Read, sent: &AtomicU64) -> io::Result<u64> {
    let mut content = Content::new();
    let mut block = vec![0; BLOCK];
    for number in 0..TOTAL / BLOCK as u64 {
        let received = number * BLOCK as u64;
        if received == TOTAL / 8 {
            let held_back_at = wait_until_held_back(sent);
            let under_way = held_back_at - received;
            eprintln!("held back with {} KiB under way", under_way >> 10);
            assert!(
                under_way < TOTAL / 2,
                "the sender was not held back: {under_way} bytes are under way"
            );
        }
        body.read_exact(&mut block)?;
        content.pass(&block);
    }
    assert_eq!(body.read(&mut block)?, 0, "more came back than was sent");
    Ok(content.hash)
}

fn comes_back_whole_without_being_held(framing: Framing) {
    let server = on_one_core("echo");
    let mut client = Client::connect(server.address).unwrap();
    client
        .send(b"POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
        .unwrap();
    assert_eq!(client.read_response().unwrap().text(), "hi");
    let before = memory_kib(server.pid(), "VmRSS");

    let sent = AtomicU64::new(0);
    thread::scope(|scope| {
        let stream = client.stream.get_ref().try_clone().unwrap();
        let sender = scope.spawn(|| send(stream, framing, &sent));
        let response = client.read_head().unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.is_chunked(), framing == Framing::Chunked);
        let received = if framing == Framing::Chunked {
            receive(Chunked::new(&mut client.stream), &sent)
        } else {
            assert_eq!(response.content_length(), Some(TOTAL as usize));
            receive((&mut client.stream).take(TOTAL), &sent)
        };
        let sent = sender.join().unwrap().unwrap();
        assert_eq!(received.unwrap(), sent, "what came back is not what was sent");
    });

    let growth = memory_kib(server.pid(), "VmHWM") - before;
    eprintln!("{framing:?}: memory grew from {before} KiB by {growth} KiB at the most");
    assert!(growth < GROWTH_MAX_KIB, "the server's memory grew by {growth} KiB");
}

#[test]
fn a_large_body_of_known_length_comes_back() {
    comes_back_whole_without_being_held(Framing::Length);
}

#[test]
fn a_large_chunked_body_comes_back() {
    comes_back_whole_without_being_held(Framing::Chunked);
}

/// The handler has not left the body unread: its response is still reading it when the head is written.
#[test]
fn a_connection_is_kept_after_a_body_has_come_back() {
    const BODY: &[u8] = &[b'x'; 1 << 20];
    let server = on_one_core("echo");
    let mut client = Client::connect(server.address).unwrap();
    for number in 1..=2 {
        let head = format!(
            "POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: {}\r\n\r\n",
            BODY.len()
        );
        client.send(head.as_bytes()).unwrap();
        thread::scope(|scope| {
            let mut stream = client.stream.get_ref().try_clone().unwrap();
            scope.spawn(move || stream.write_all(BODY));
            let response = client.read_response().unwrap();
            assert!(response.body == BODY, "body {number}");
            assert!(!response.closes(), "after body {number}");
        });
    }
}

#[test]
fn small_answers() {
    let server = on_one_core("echo");
    let mut client = Client::connect(server.address).unwrap();
    let get = client.get("/").unwrap();
    assert_eq!((get.status, get.text().as_str()), (200, "ok"));
    client.ask("HEAD", "/").unwrap();
    let head = client.read_head().unwrap();
    assert_eq!((head.status, head.content_length()), (200, Some(2)));
    // Were a body behind the HEAD's answer, it would stand before this one.
    let missing = client.get("/missing").unwrap();
    assert_eq!((missing.status, missing.closes()), (404, false));
    assert_eq!(client.get("/sleep?ms=soon").unwrap().status, 400);
    client
        .send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 3000000\r\n\r\n")
        .unwrap();
    assert_eq!(
        client.read_response().unwrap().status,
        413,
        "only /echo takes any length"
    );
}

#[test]
fn a_sleeping_handler_holds_up_only_its_own_connection() {
    let server = on_one_core("echo");
    let mut sleeper = Client::connect(server.address).unwrap();
    let mut other = Client::connect(server.address).unwrap();
    let asked = Instant::now();
    sleeper
        .send(b"GET /sleep?ms=1500 HTTP/1.1\r\nHost: test\r\n\r\nGET / HTTP/1.1\r\nHost: test\r\n\r\n")
        .unwrap();
    for _ in 0..100 {
        assert_eq!(other.get("/").unwrap().text(), "ok");
    }
    assert!(
        asked.elapsed() < Duration::from_millis(1400),
        "the other connection waited"
    );
    assert_eq!(sleeper.read_response().unwrap().text(), "slept");
    assert!(asked.elapsed() >= Duration::from_millis(1500));
    assert_eq!(
        sleeper.read_response().unwrap().text(),
        "ok",
        "what was pipelined behind it comes after it"
    );
}

#[test]
fn a_panic_costs_its_own_connection_only() {
    let server = on_one_core("echo");
    let mut other = Client::connect(server.address).unwrap();
    assert_eq!(other.get("/").unwrap().status, 200);
    for _ in 0..3 {
        let mut client = Client::connect(server.address).unwrap();
        assert_eq!(client.get("/").unwrap().status, 200);
        let response = client.get("/panic").unwrap();
        assert_eq!((response.status, response.closes()), (500, true));
        assert!(client.is_ended());
        assert_eq!(other.get("/").unwrap().status, 200);
    }
    server.signal(libc::SIGTERM);
    drop(other);
    let ending = server.wait(Duration::from_secs(5));
    assert!(ending.status.success(), "{}", ending.stderr);
    assert_eq!(ending.stderr.matches("asked to").count(), 3, "{}", ending.stderr);
}

#[test]
fn chat_passes_lines_on() {
    let server = on_one_core("chat");
    let mut guests: Vec<Client> = (0..3).map(|_| Client::connect(server.address).unwrap()).collect();
    for guest in &mut guests {
        guest
            .send(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n")
            .unwrap();
        let response = guest.read_head().unwrap();
        assert_eq!((response.status, response.field("Upgrade")), (101, Some("chat")));
    }
    let hear = |reader: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        line
    };
    guests[0].send(b"hello, ").unwrap();
    guests[0].send(b"all\nhow are you?\n").unwrap();
    for guest in &mut guests[1..] {
        assert_eq!(hear(&mut guest.stream), "1: hello, all\n");
        assert_eq!(hear(&mut guest.stream), "1: how are you?\n");
    }
    guests[2].send(b"well\n").unwrap();
    for guest in &mut guests[..2] {
        assert_eq!(hear(&mut guest.stream), "3: well\n");
    }
    // Who leaves is gone, and the others go on.
    drop(guests.remove(0));
    guests[0].send(b"still here\n").unwrap();
    assert_eq!(hear(&mut guests[1].stream), "2: still here\n");
}

#[test]
fn chat_is_only_for_those_who_ask_for_it() {
    let server = on_one_core("chat");
    let response = Client::connect(server.address).unwrap().get("/").unwrap();
    assert_eq!((response.status, response.field("Upgrade")), (426, Some("chat")));
}

#[test]
fn state_counts_across_connections() {
    let server = on_one_core("state");
    let core = allowed_cores()[0];
    let mut clients: Vec<Client> = (0..4).map(|_| Client::connect(server.address).unwrap()).collect();
    for number in 1..=20 {
        let answer = clients[number % 4].get("/").unwrap().text();
        assert_eq!(answer, format!("request {number} of core {core}\n"));
    }
}
