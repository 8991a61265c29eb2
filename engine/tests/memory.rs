//! What passes through does not pile up: the memory of the process while large bodies go by.
//!
//! The figures are of the whole process, so these tests have a file to themselves and run one at a time.

mod support;

use std::io::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use ringlane::{Bytes, IntoResponse, Request, Response};
use support::content::{self, Check};
use support::process::resident_bytes;
use support::{Client, Count, TestServer};

const MIB: u64 = 1 << 20;
const GROWTH_MAX: u64 = 16 * MIB;

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Watches how far the resident memory rises above what it was.
struct Growth {
    before: u64,
    most: u64,
}

impl Growth {
    fn new() -> Growth {
        content::piece(0, 1); // Made before it is measured.
        let before = resident_bytes();
        Growth { before, most: before }
    }

    fn look(&mut self) {
        self.most = self.most.max(resident_bytes());
    }

    #[track_caller]
    fn assert_small(&self) {
        let growth = self.most - self.before;
        assert!(growth <= GROWTH_MAX, "resident memory grew by {} KiB", growth / 1024);
    }
}

/// An answer's body, compared with the content while it comes, with a look at the memory every few megabytes.
fn take_body(client: &mut Client, length: u64, growth: &mut Growth) {
    let head = client.head();
    assert_eq!(head.status, 200);
    let (mut check, mut next_look) = (Check::default(), 0);
    let outcome = client.try_body(&head, |piece| {
        check.push(piece);
        if check.seen() >= next_look {
            growth.look();
            next_look += 2 * MIB;
        }
    });
    outcome.expect("the body is whole");
    assert_eq!(check.seen(), length);
}

async fn service(request: Request) -> Response {
    let mut body = request.body();
    match request.path() {
        "/echo" => Response::stream("text/plain", body),
        "/count" => {
            let mut check = Check::default();
            while let Some(chunk) = body.next().await {
                match chunk {
                    Ok(chunk) => check.push(&chunk),
                    Err(error) => return error.into_response(),
                }
            }
            Response::text(check.seen().to_string())
        }
        _ => Response::text("fine"),
    }
}

fn server() -> TestServer {
    TestServer::start(
        |config| {
            config.body_bytes_max = 1 << 30;
            config.send_buffer_bytes = Some(128 << 10);
            config.receive_buffer_bytes = Some(128 << 10);
        },
        |_| service,
    )
}

/// Writes a chunked body of the content, never holding more than a piece of it.
fn write_content(mut to: impl Write, length: u64, progress: &Count) {
    let mut at = 0;
    while at < length {
        let piece = content::piece(at, (length - at).min(64 << 10) as usize);
        write!(to, "{:x}\r\n", piece.len()).unwrap();
        to.write_all(piece).unwrap();
        to.write_all(b"\r\n").unwrap();
        at += piece.len() as u64;
        progress.add();
    }
    to.write_all(b"0\r\n\r\n").unwrap();
}

/// A client that begins to read late, and is held back until it does.
#[test]
fn an_echo_to_a_late_reader_does_not_pile_up() {
    const LENGTH: u64 = 64 * MIB;
    let _alone = alone();
    let server = server();
    let mut other = server.connect();
    assert_eq!(other.get("/").is(), (200, "fine"));
    let mut growth = Growth::new();
    let mut client = Client::connect_narrow(server.address(), 128 << 10);
    client.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (writer, progress) = (client.writer(), Count::default());
    thread::scope(|scope| {
        let written = progress.clone();
        scope.spawn(move || write_content(writer, LENGTH, &written));
        progress.wait_for(1);
        // It is late once the writer has come to a stop.
        let mut before = 0;
        while progress.get() != before {
            before = progress.get();
            for _ in 0..200 {
                assert_eq!(other.get("/").is(), (200, "fine"));
            }
            growth.look();
        }
        assert!(before < (LENGTH / (64 << 10)) as usize, "nothing held the sender back");
        take_body(&mut client, LENGTH, &mut growth);
    });
    growth.assert_small();
}

#[test]
fn an_upload_does_not_pile_up() {
    const LENGTH: u64 = 64 * MIB;
    let _alone = alone();
    let server = server();
    let mut client = server.connect();
    assert_eq!(client.get("/").is(), (200, "fine"));
    let mut growth = Growth::new();
    client.send("POST /count HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (writer, progress) = (client.writer(), Count::default());
    thread::scope(|scope| {
        let written = progress.clone();
        scope.spawn(move || write_content(writer, LENGTH, &written));
        for step in 1..=LENGTH / (4 * MIB) {
            progress.wait_for((step * 4 * MIB / (64 << 10)) as usize);
            growth.look();
        }
    });
    assert_eq!(client.answer().is(), (200, LENGTH.to_string().as_str()));
    growth.assert_small();
}

/// A large body is sent from where it lies, to many at once, and copied nowhere.
#[test]
fn a_large_body_is_not_copied() {
    const LENGTH: usize = 100_000_000;
    let _alone = alone();
    let server = TestServer::start(
        |_| {},
        |_| {
            let body = Bytes::from(content::bytes(LENGTH));
            async move |request: Request| match request.path() {
                "/large" => body.clone().into_response(),
                _ => Response::text("fine"),
            }
        },
    );
    let mut other = server.connect();
    assert_eq!(other.get("/").is(), (200, "fine"));
    let mut growth = Growth::new();
    let request = "GET /large HTTP/1.1\r\nHost: test\r\n\r\n";
    let mut clients: Vec<Client> = (0..3).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.send(request.repeat(2));
    }
    for client in &mut clients[..2] {
        take_body(client, LENGTH as u64, &mut growth);
    }
    growth.assert_small();
}

/// What an unread answer takes is let go of with its connection.
#[test]
fn what_nobody_reads_is_let_go_of() {
    const LENGTH: usize = 20_000_000;
    let _alone = alone();
    let server = TestServer::start(
        |_| {},
        |_| {
            async |request: Request| match request.path() {
                "/large" => content::bytes(LENGTH).into_response(),
                _ => Response::text("fine"),
            }
        },
    );
    let mut other = server.connect();
    assert_eq!(other.get("/").is(), (200, "fine"));
    let mut growth = Growth::new();
    for _ in 0..20 {
        let mut client = server.connect();
        client.send("GET /large HTTP/1.1\r\nHost: test\r\n\r\n");
        assert_eq!(client.head().status, 200);
        client.reset();
        assert_eq!(other.get("/").is(), (200, "fine"));
        growth.look();
    }
    let most = growth.most - growth.before;
    assert!(most < 5 * LENGTH as u64, "resident memory grew by {} KiB", most / 1024);
}
