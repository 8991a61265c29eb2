//! Each core has its own pinned thread and its own listening socket, and all of them answer.

mod support;

use std::collections::BTreeSet;

use support::client::Client;
use support::process::{Server, example};
use support::procfs::{allowed_cores, listening_sockets, threads};
use support::{eventually, skip};

/// The first two cores that the tests may use; none, and a word about it, on a machine with one.
fn two_cores() -> Option<[usize; 2]> {
    match *allowed_cores() {
        [first, second, ..] => Some([first, second]),
        _ => {
            skip("this needs two cores, and the process may use only one");
            None
        }
    }
}

/// The cores of a process's `ringlane-N` threads, by N, after it was made sure that each runs nowhere else.
fn ringlane_threads(pid: i32) -> Vec<usize> {
    let mut cores = Vec::new();
    for thread in threads(pid) {
        if let Some(number) = thread.name.strip_prefix("ringlane-") {
            assert_eq!(thread.cores, [number.parse().unwrap()], "{thread:?} may run elsewhere");
            cores.extend(thread.cores);
        }
    }
    cores.sort_unstable();
    cores
}

#[test]
fn each_core_has_one_pinned_thread_and_one_listening_socket() {
    let Some(cores) = two_cores() else { return };
    let server = Server::start("hello", &["--cores", &format!("{},{}", cores[0], cores[1])]);
    assert_eq!(ringlane_threads(server.pid()), cores);
    // The other threads belong to one core or the other. A thread is pinned by itself, soon after it has started.
    let is_pinned = || {
        let others = threads(server.pid())
            .into_iter()
            .filter(|thread| thread.id != server.pid());
        others
            .into_iter()
            .all(|thread| thread.cores.len() == 1 && cores.contains(&thread.cores[0]))
    };
    assert!(eventually(is_pinned), "{:?}", threads(server.pid()));
    assert_eq!(listening_sockets(server.pid(), server.address.port()), 2);
}

#[test]
fn all_cores_answer() {
    let Some(cores) = two_cores() else { return };
    let server = Server::start("state", &["--cores", &format!("{},{}", cores[0], cores[1])]);
    let mut answered = BTreeSet::new();
    for _ in 0..64 {
        let answer = Client::connect(server.address).unwrap().get("/").unwrap().text();
        let (_, core) = answer.trim_end().rsplit_once(' ').unwrap();
        answered.insert(core.parse().unwrap());
    }
    // That the kernel gives all 64 to one of two has a chance of 2⁻⁶³.
    assert_eq!(answered, BTreeSet::from(cores));
}

#[test]
fn the_environment_chooses_cores_and_the_command_line_overrides() {
    let Some([first, second]) = two_cores() else { return };
    let both = format!("{first},{second}");
    for (variable, option, expected) in [
        (second.to_string(), None, vec![second]),
        (second.to_string(), Some(first.to_string()), vec![first]),
        (both.clone(), Some(second.to_string()), vec![second]),
        (second.to_string(), Some(both), vec![first, second]),
    ] {
        let mut command = example("hello", &["--addr", "127.0.0.1:0"]);
        command.env("RINGLANE_CORES", &variable);
        command.args(option.iter().flat_map(|cores| ["--cores", cores]));
        let server = Server::start_command(&mut command);
        let list: Vec<usize> = server.cores.split(',').map(|core| core.parse().unwrap()).collect();
        assert_eq!(
            list, expected,
            "RINGLANE_CORES={variable}, --cores {option:?}: its ready line"
        );
        assert_eq!(
            ringlane_threads(server.pid()),
            expected,
            "RINGLANE_CORES={variable}, --cores {option:?}"
        );
    }
}

#[test]
fn without_a_choice_all_allowed_cores_are_used() {
    let server = Server::start("hello", &[]);
    assert_eq!(ringlane_threads(server.pid()), allowed_cores());
    assert_eq!(
        listening_sockets(server.pid(), server.address.port()),
        allowed_cores().len()
    );
}
