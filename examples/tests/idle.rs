//! What a server asks of the kernel: next to nothing while it is idle, less than one call per request under load.

mod support;

use std::thread;
use std::time::Duration;

use support::client::Client;
use support::process::Server;
use support::strace::{Strace, now};
use support::{raise_descriptor_limit, skip};

/// How long an idle server is watched.
const WATCHED: Duration = Duration::from_secs(5);

/// A server on one core, and clients that it has answered once each.
fn served_once(connections: usize) -> (Server, Vec<Client>) {
    let server = Server::start("hello", &["--cores", &support::procfs::allowed_cores()[0].to_string()]);
    let mut clients: Vec<Client> = (0..connections)
        .map(|_| Client::connect(server.address).unwrap())
        .collect();
    for client in &mut clients {
        assert_eq!(client.get("/").unwrap().status, 200);
    }
    (server, clients)
}

/// The names of the system calls that a process begins while it is watched; none, and a word about it, where strace
/// is not to be had.
fn calls_while_idle(server: &Server) -> Option<Vec<String>> {
    let strace = Strace::attach(server.pid(), &["-ttt"])
        .map_err(|reason| skip(&reason))
        .ok()?;
    // A call that strace interrupted by attaching begins anew: watch from a moment later.
    thread::sleep(Duration::from_millis(500));
    let from = now();
    thread::sleep(WATCHED);
    let to = now();
    // The silence before is only worth something if strace hears this.
    Client::connect(server.address).unwrap().get("/").unwrap();
    let (heard, answering): (Vec<_>, Vec<_>) = strace
        .calls()
        .into_iter()
        .filter(|call| call.at >= from)
        .partition(|call| call.at < to);
    assert!(!answering.is_empty(), "strace does not hear the server");
    Some(heard.into_iter().map(|call| call.name).collect())
}

#[test]
fn with_idle_connections_there_are_fewer_than_three_calls_per_second() {
    const CONNECTIONS: usize = 1000;
    if raise_descriptor_limit() < CONNECTIONS as u64 + 100 {
        return skip("the process may not open a thousand connections (ulimit -Hn)");
    }
    let (server, mut clients) = served_once(CONNECTIONS);
    if let Some(calls) = calls_while_idle(&server) {
        eprintln!(
            "{} calls in {WATCHED:?} with {CONNECTIONS} connections: {calls:?}",
            calls.len()
        );
        assert!((calls.len() as f64) < 3.0 * WATCHED.as_secs_f64(), "{calls:?}");
    }
    for client in &mut clients {
        assert_eq!(client.get("/").unwrap().status, 200, "a connection was lost meanwhile");
    }
}

#[test]
fn without_connections_there_are_none() {
    let (server, clients) = served_once(1);
    drop(clients);
    if let Some(calls) = calls_while_idle(&server) {
        eprintln!("{} calls in {WATCHED:?} without connections: {calls:?}", calls.len());
        // What follows from the connection's end may lie in the time: the pool gives its memory back, a timer runs out.
        assert!(calls.len() <= 6, "{calls:?}");
    }
}

#[test]
fn under_load_there_is_less_than_one_call_per_request_and_only_io_uring_enter() {
    const CONNECTIONS: usize = 64;
    const ROUNDS: usize = 313;
    let (server, mut clients) = served_once(CONNECTIONS);
    let strace = match Strace::attach(server.pid(), &["-c"]) {
        Ok(strace) => strace,
        Err(reason) => return skip(&reason),
    };
    for _ in 0..ROUNDS {
        for client in &mut clients {
            client.ask("GET", "/").unwrap();
        }
        for client in &mut clients {
            assert_eq!(client.read_response().unwrap().status, 200);
        }
    }
    let counts = strace.counts();
    let requests = (CONNECTIONS * ROUNDS) as u64;
    eprintln!("{requests} requests: {counts:?}");
    let entered = counts.get("io_uring_enter").copied().unwrap_or(0);
    assert!(entered > 0 && entered < requests, "{counts:?}");
    let per_socket = [
        "read",
        "readv",
        "recvfrom",
        "recvmsg",
        "write",
        "writev",
        "sendto",
        "sendmsg",
        "accept",
        "accept4",
        "close",
        "epoll_wait",
        "epoll_pwait",
        "epoll_pwait2",
        "epoll_ctl",
        "poll",
        "ppoll",
    ];
    let classic: u64 = per_socket.iter().filter_map(|name| counts.get(*name)).sum();
    assert!(classic * 100 < requests, "{classic} classic calls: {counts:?}");
    let other: u64 = counts.values().sum::<u64>() - entered;
    assert!(other * 20 < requests, "{other} calls beside io_uring_enter: {counts:?}");
}
