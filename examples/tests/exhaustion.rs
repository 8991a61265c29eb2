//! A server with fewer descriptors than there are clients: who is admitted is served, the others wait, nothing spins.

mod support;

use std::os::unix::process::CommandExt;
use std::process::Command;
use std::thread;
use std::time::Duration;

use support::client::Client;
use support::process::{Server, example};
use support::procfs::{allowed_cores, cpu_ticks, descriptors};
use support::{eventually, raise_descriptor_limit, skip};

/// What the server may open, and how many connections come.
const DESCRIPTORS: u64 = 200;
const CONNECTIONS: usize = 1000;
/// How long the server is watched, and how many ticks of CPU time (of 10 ms) it may use meanwhile.
const WATCHED: Duration = Duration::from_secs(1);
const TICKS_MAX: u64 = 3;

/// The hello example on one core, with few descriptors.
fn hello() -> Command {
    let mut command = example(
        "hello",
        &["--addr", "127.0.0.1:0", "--cores", &allowed_cores()[0].to_string()],
    );
    let limit = libc::rlimit {
        rlim_cur: DESCRIPTORS,
        rlim_max: DESCRIPTORS,
    };
    // SAFETY: setrlimit(2) is all that the child does before it becomes the example; `limit` is its own copy.
    unsafe {
        command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        });
    }
    command
}

/// Lets more clients come than the server has descriptors for, and go again.
fn exhaust(command: &mut Command) {
    if raise_descriptor_limit() < CONNECTIONS as u64 + 200 {
        return skip("the process may not open a thousand connections (ulimit -Hn)");
    }
    let server = Server::start_command(command);
    let before = descriptors(server.pid());

    let mut clients: Vec<Client> = (0..CONNECTIONS)
        .map(|_| Client::connect(server.address).expect("the backlog has room for all of them"))
        .collect();
    for client in &mut clients {
        client.ask("GET", "/").unwrap();
    }
    assert!(
        eventually(|| descriptors(server.pid()) > DESCRIPTORS as usize * 3 / 4),
        "it admits only {} of {DESCRIPTORS}",
        descriptors(server.pid()) - before
    );
    assert_rests(&server);
    // Who is served makes room, by going, for who waits; none is lost.
    while !clients.is_empty() {
        assert!(
            eventually(|| clients.iter().any(is_answered)),
            "{} clients wait in vain",
            clients.len()
        );
        let (answered, waiting): (Vec<_>, Vec<_>) = clients.into_iter().partition(is_answered);
        assert!(answered.len() < DESCRIPTORS as usize, "{} at once", answered.len());
        for mut client in answered {
            assert_eq!(client.read_response().unwrap().status, 200);
        }
        clients = waiting;
    }

    assert!(
        eventually(|| descriptors(server.pid()) <= before),
        "{before} descriptors before, {} afterwards",
        descriptors(server.pid())
    );
    assert_rests(&server);
    for _ in 0..100 {
        assert_eq!(Client::connect(server.address).unwrap().get("/").unwrap().status, 200);
    }
}

/// Whether something has come, or the end.
fn is_answered(client: &Client) -> bool {
    let stream = client.stream.get_ref();
    stream.set_nonblocking(true).unwrap();
    let answered = stream.peek(&mut [0]).is_ok();
    stream.set_nonblocking(false).unwrap();
    answered
}

/// The server has soon done what there is to do, and then does nothing.
fn assert_rests(server: &Server) {
    let mut used = 0;
    let rests = eventually(|| {
        let before = cpu_ticks(server.pid());
        thread::sleep(WATCHED);
        used = cpu_ticks(server.pid()) - before;
        used <= TICKS_MAX
    });
    assert!(rests, "{used} ticks of CPU time in {WATCHED:?}, again and again");
}

#[test]
fn more_clients_than_descriptors_are_served_in_turn() {
    exhaust(&mut hello());
}

/// Here the server does not know its limit, and meets it.
#[test]
fn so_they_are_where_the_server_runs_out_of_descriptors() {
    exhaust(hello().env("RINGLANE_CONNECTIONS_MAX", "100000"));
}
