//! A server that is told to stop answers what it has accepted, and goes.

mod support;

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libc::{SIGINT, SIGTERM};
use support::client::Client;
use support::eventually;
use support::process::{Ending, Server, example};

/// An end without anything to wait for comes within that.
const SOON: Duration = Duration::from_secs(5);

const CLIENTS: usize = 12;

/// Asks again and again, on kept-alive connections, until a connection is refused. Every request that was written must
/// be answered, and a connection ends only after an answer that said so.
fn ask_until_refused(address: SocketAddr, answered: &AtomicU64) -> Result<(), String> {
    loop {
        let mut client = match Client::connect(address) {
            Ok(client) => client,
            // Refused, or reset before anything was written.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset) => {
                return Ok(());
            }
            Err(error) => return Err(format!("connecting: {error}")),
        };
        for number in 1.. {
            match client.ask("GET", "/") {
                Err(_) if number == 1 => return Ok(()),
                asked => asked.map_err(|error| format!("request {number} of its connection: {error}"))?,
            }
            let response = client
                .read_response()
                .map_err(|error| format!("request {number} of its connection went unanswered: {error}"))?;
            if response.status != 200 || response.body != b"Hello, World!" {
                return Err(format!("request {number} of its connection: {response:?}"));
            }
            answered.fetch_add(1, Ordering::Relaxed);
            if response.closes() {
                break;
            }
        }
    }
}

/// The sentence with which an example ends that was not content: the only line behind its configuration.
fn sentence(ending: &Ending) -> &str {
    let lines: Vec<&str> = ending.stderr.lines().collect();
    assert_eq!(
        lines.len(),
        2,
        "a configuration and a sentence were expected: {}",
        ending.stderr
    );
    lines[1].strip_prefix("Error: ").expect("main returned the error")
}

/// That it ended well and said nothing.
fn assert_content(ending: &Ending) {
    assert!(ending.status.success(), "{:?}: {}", ending.status, ending.stderr);
    assert_eq!(
        ending.stderr.lines().count(),
        1,
        "only its configuration was expected: {}",
        ending.stderr
    );
}

fn stops_during_load(signal: libc::c_int) {
    let server = Server::start("hello", &[]);
    let address = server.address;
    let answered = AtomicU64::new(0);
    let ending = thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| ask_until_refused(address, &answered)))
            .collect();
        assert!(
            eventually(|| answered.load(Ordering::Relaxed) > 2000),
            "there is no load"
        );
        server.signal(signal);
        let ending = server.wait(SOON);
        let failures: Vec<String> = clients
            .into_iter()
            .filter_map(|client| client.join().expect("a client does not panic").err())
            .collect();
        assert!(failures.is_empty(), "{failures:#?}");
        ending
    });
    assert_content(&ending);
    // At once: neither the ring's late end nor connections in TIME_WAIT may hold the port.
    let mut command = example("hello", &["--addr", &address.to_string()]);
    let next = Server::start_command(&mut command);
    assert_eq!(Client::connect(next.address).unwrap().get("/").unwrap().status, 200);
}

/// A request can be lost only in the moment in which a listening socket is closed: meet that moment more than once.
const STOPS: usize = 5;

#[test]
fn sigterm_during_load() {
    (0..STOPS).for_each(|_| stops_during_load(SIGTERM));
}

#[test]
fn sigint_during_load() {
    (0..STOPS).for_each(|_| stops_during_load(SIGINT));
}

#[test]
fn a_pending_answer_is_waited_for_while_connections_are_refused() {
    let server = Server::start("echo", &[]);
    let mut waiting = Client::connect(server.address).unwrap();
    waiting.ask("GET", "/sleep?ms=2000").unwrap();
    let mut idle = Client::connect(server.address).unwrap();
    assert_eq!(idle.get("/").unwrap().status, 200);
    let asked = Instant::now();
    server.signal(SIGTERM);
    let is_refused = || {
        let result = TcpStream::connect(server.address);
        result.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    assert!(eventually(is_refused));
    assert!(idle.is_ended(), "an idle connection was not closed in order");
    assert!(
        asked.elapsed() < Duration::from_millis(1900),
        "the pending answer held up all else"
    );
    let response = waiting.read_response().unwrap();
    assert_eq!((response.status, response.text().as_str()), (200, "slept"));
    assert!(response.closes() && waiting.is_ended());
    assert_content(&server.wait(SOON));
}

#[test]
fn a_request_on_an_idle_connection_is_still_answered() {
    let mut command = example("hello", &["--addr", "127.0.0.1:0"]);
    command.env("RINGLANE_DRAIN_IDLE_TIMEOUT", "10s");
    let server = Server::start_command(&mut command);
    let mut idle = Client::connect(server.address).unwrap();
    assert!(!idle.get("/").unwrap().closes());
    server.signal(SIGTERM);
    assert!(eventually(|| TcpStream::connect(server.address).is_err()));
    let response = idle.get("/").unwrap();
    assert!(response.status == 200 && response.closes() && idle.is_ended());
    assert_content(&server.wait(SOON));
}

#[test]
fn a_second_signal_cuts() {
    for (first, second) in [(SIGTERM, SIGTERM), (SIGINT, SIGTERM), (SIGINT, SIGINT)] {
        let server = Server::start("echo", &[]);
        let mut waiting = Client::connect(server.address).unwrap();
        waiting.ask("GET", "/sleep?ms=60000").unwrap();
        // An answer on a later connection of the same core does not tell that the first is being worked on, but one
        // that is refused tells that the first signal has arrived.
        server.signal(first);
        assert!(eventually(|| TcpStream::connect(server.address).is_err()));
        server.signal(second);
        let ending = server.wait(SOON);
        assert_eq!(ending.status.code(), Some(1), "{}", ending.stderr);
        let sentence = sentence(&ending);
        assert!(
            sentence.contains("1 connection") && sentence.contains("drain_timeout"),
            "{sentence}"
        );
        assert!(waiting.read_response().is_err());
    }
}

#[test]
fn the_drain_limit_cuts() {
    let mut command = example("echo", &["--addr", "127.0.0.1:0"]);
    command.env("RINGLANE_DRAIN_TIMEOUT", "700ms");
    let server = Server::start_command(&mut command);
    let mut waiting: Vec<Client> = (0..3).map(|_| Client::connect(server.address).unwrap()).collect();
    for client in &mut waiting {
        client.ask("GET", "/sleep?ms=60000").unwrap();
    }
    let asked = Instant::now();
    server.signal(SIGTERM);
    let ending = server.wait(SOON);
    assert!(asked.elapsed() >= Duration::from_millis(690), "{:?}", asked.elapsed());
    assert_eq!(ending.status.code(), Some(1), "{}", ending.stderr);
    let sentence = sentence(&ending);
    assert!(
        sentence.contains("3 connections") && sentence.contains("drain_timeout"),
        "{sentence}"
    );
}
