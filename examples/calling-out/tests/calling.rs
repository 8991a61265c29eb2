//! The calling example: answers passed on, and what becomes of calls that fail, take long or are given up.

#[path = "../../tests/support/mod.rs"]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use support::client::Client;
use support::process::Server;

const LIMIT: Duration = Duration::from_secs(20);

/// A service behind the example. It answers `/slow` never, and reports what it sees.
struct Upstream {
    url: String,
    events: Receiver<Event>,
}

#[derive(Debug, PartialEq)]
enum Event {
    Asked(String),
    /// The connection of an unanswered request was closed.
    Closed,
}

impl Upstream {
    fn start() -> Upstream {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (report, events) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let report = report.clone();
                thread::spawn(move || serve(stream, &report));
            }
        });
        Upstream { url, events }
    }

    fn next(&self) -> Result<Event, RecvTimeoutError> {
        self.events.recv_timeout(LIMIT)
    }
}

/// Answers requests with their target, until the connection ends.
fn serve(stream: TcpStream, report: &mpsc::Sender<Event>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if !matches!(stream.read_line(&mut head), Ok(1..)) {
                return;
            }
        }
        let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
        let _ = report.send(Event::Asked(target.clone())); // Where nobody listens, the test is over.
        let answer = match target.as_str() {
            "/slow" => {
                if matches!(stream.read(&mut [0]), Ok(0) | Err(_)) {
                    let _ = report.send(Event::Closed);
                }
                return;
            }
            "/broken" => "this is no answer\r\n\r\n".to_owned(),
            "/missing" => "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone".to_owned(),
            "/long" => {
                let body = "x".repeat(1024 * 1024 + 1);
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
            }
            target => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{target}", target.len()),
        };
        if stream.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn answers_are_passed_on() {
    let upstream = Upstream::start();
    let server = Server::start("calling", &["--upstream", &upstream.url]);
    let mut client = Client::connect(server.address).unwrap();
    for _ in 0..50 {
        let answer = client.get("/things/7?all=yes").unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, "/things/7?all=yes"));
        assert_eq!(upstream.next(), Ok(Event::Asked("/things/7?all=yes".to_owned())));
    }
    let answer = client.get("/missing").unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (404, "gone"));
    assert_eq!(client.get("//evil.example/").unwrap().text(), "//evil.example/");
}

#[test]
fn what_is_no_answer_is_a_502() {
    let upstream = Upstream::start();
    let server = Server::start("calling", &["--upstream", &upstream.url]);
    let mut client = Client::connect(server.address).unwrap();
    assert_eq!(client.get("/broken").unwrap().status, 502);
    assert_eq!(client.get("/long").unwrap().status, 502);
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server::start("calling", &["--upstream", &format!("http://{closed}")]);
    assert_eq!(Client::connect(server.address).unwrap().get("/a").unwrap().status, 502);
}

#[test]
fn an_upstream_that_takes_too_long_is_a_504() {
    let upstream = Upstream::start();
    let server = Server::start("calling", &["--upstream", &upstream.url, "--timeout-ms", "200"]);
    assert_eq!(
        Client::connect(server.address).unwrap().get("/slow").unwrap().status,
        504
    );
    assert_eq!(upstream.next(), Ok(Event::Asked("/slow".to_owned())));
    assert_eq!(upstream.next(), Ok(Event::Closed));
}

#[test]
fn a_client_that_goes_ends_the_call() {
    let upstream = Upstream::start();
    let server = Server::start("calling", &["--upstream", &upstream.url, "--timeout-ms", "600000"]);
    let mut client = Client::connect(server.address).unwrap();
    client.ask("GET", "/slow").unwrap();
    assert_eq!(upstream.next(), Ok(Event::Asked("/slow".to_owned())));
    // Closed as it is, the connection says only that no more is sent; a reset says that nobody reads, either.
    let linger = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    let socket = std::os::fd::AsRawFd::as_raw_fd(client.stream.get_ref());
    // SAFETY: the socket is open, and the option takes a linger of this size.
    let set = unsafe {
        let linger = (&raw const linger).cast();
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            linger,
            size_of::<libc::linger>() as u32,
        )
    };
    assert_eq!(set, 0);
    drop(client);
    assert_eq!(upstream.next(), Ok(Event::Closed));
}
