//! What keeps a server from starting is said in one sentence, with its cause and its cure, on standard error.

mod support;

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::process::Command;

use support::process::{Process, Server, example, refuse, without_root};
use support::skip;

const HERE: &[&str] = &["--addr", "127.0.0.1:0"];

/// The sentence with which a command refuses to start, after it was made sure that it says nothing else.
fn sentence(command: &mut Command) -> String {
    try_sentence(command).expect("the example can be started")
}

/// The same, where starting the command itself may fail.
fn try_sentence(command: &mut Command) -> io::Result<String> {
    let ending = refuse(command.env("RUST_BACKTRACE", "1"))?;
    assert!(!ending.status.success(), "it did not refuse: {command:?}");
    assert_eq!(ending.status.code(), Some(1), "{:?}: {}", ending.status, ending.stderr);
    assert_eq!(ending.stdout, [""; 0], "it listened");
    let lines: Vec<&str> = ending.stderr.lines().collect();
    let [line] = lines[..] else {
        panic!("one line was expected, and it said: {}", ending.stderr);
    };
    let sentence = line
        .strip_prefix("Error: ")
        .unwrap_or_else(|| panic!("no error of main's: {line}"));
    Ok(sentence.to_owned())
}

/// That a sentence holds each of these parts: its cause and its cure.
fn assert_names(sentence: &str, parts: &[&str]) {
    for part in parts {
        assert!(sentence.contains(part), "{part:?} is missing in: {sentence}");
    }
}

#[test]
fn an_address_in_use() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let ringlane = Server::start("hello", &[]);
    for address in [other.local_addr().unwrap(), ringlane.address] {
        let sentence = sentence(&mut example("hello", &["--addr", &address.to_string()]));
        assert_names(
            &sentence,
            &[
                &format!("cannot listen on {address}"),
                "another socket has it",
                "ss -ltnp",
            ],
        );
    }
}

#[test]
fn an_address_that_is_not_on_this_machine() {
    // RFC 5737: nobody has it.
    let sentence = sentence(&mut example("hello", &["--addr", "192.0.2.1:0"]));
    assert_names(&sentence, &["cannot listen on 192.0.2.1:0", "no interface", "0.0.0.0"]);
}

#[test]
fn a_text_that_is_no_address() {
    for address in ["", "nonsense", "127.0.0.1", "127.0.0.1:99999", "127.0.0.1:http"] {
        let sentence = sentence(&mut example("hello", &["--addr", address]));
        assert_names(
            &sentence,
            &[&format!("{address:?} is not an address"), "write host:port"],
        );
    }
}

#[test]
fn a_port_that_needs_rights() {
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    if first.trim().parse::<u16>().is_ok_and(|first| first <= 80) {
        skip("everybody may listen on port 80 here (net.ipv4.ip_unprivileged_port_start)");
        return;
    }
    let mut command = example("hello", &["--addr", "127.0.0.1:80"]);
    without_root(&mut command);
    match try_sentence(&mut command) {
        Ok(sentence) => assert_names(
            &sentence,
            &["cannot listen on 127.0.0.1:80", "CAP_NET_BIND_SERVICE", "a higher port"],
        ),
        Err(error) => skip(&format!("the example cannot be started as another user ({error})")),
    }
}

#[test]
fn a_core_that_does_not_exist() {
    let sentence = sentence(&mut example("hello", &["--cores", "500"]));
    assert_names(&sentence, &["core 500", "choose from 0", "taskset"]);
}

/// The command line is clap's, and so are its manners: status 2, and a hint behind the sentence.
#[test]
fn a_text_that_is_no_list_of_cores() {
    for cores in ["", "x", "0-", "3-1", "0,", "-1", "99999"] {
        let ending = refuse(&mut example("hello", &[&format!("--cores={cores}")])).unwrap();
        assert_eq!(ending.status.code(), Some(2), "--cores={cores}: {}", ending.stderr);
        assert_eq!(ending.stdout, [""; 0], "--cores={cores}: it listened");
        let (sentence, hint) = ending.stderr.split_once('\n').unwrap();
        assert_names(sentence, &["--cores", "a list of cores", "such as 0, 0-3 or 0,2"]);
        assert_eq!(hint.trim(), "For more information, try '--help'.", "--cores={cores}");
    }
}

#[test]
fn a_variable_that_cannot_be_used() {
    for (name, value, part) in [
        ("RINGLANE_CORES", "0-", "such as 0, 0-3 or 0,2"),
        ("RINGLANE_CORES", "", "such as 0, 0-3 or 0,2"),
        ("RINGLANE_CORES", "1,1", "name each core once"),
        ("RINGLANE_CORES", "500", "choose from 0"),
        ("RINGLANE_IDLE_TIMEOUT", "75", "such as 75s, 500ms or 2m"),
        ("RINGLANE_IDLE_TIMEOUT", "-1s", "such as 75s, 500ms or 2m"),
        ("RINGLANE_IDLE_TIMEOUT", "0s", "choose at least 1ms"),
        (
            "RINGLANE_HEAD_TIMEOUT",
            "99999999999999999999s",
            "such as 75s, 500ms or 2m",
        ),
        ("RINGLANE_DRAIN_IDLE_TIMEOUT", "31s", "make it the shorter one"),
        ("RINGLANE_HEAD_BYTES_MAX", "16kb", "such as 4096, 16KiB or 2MiB"),
        ("RINGLANE_HEAD_BYTES_MAX", "2MiB", "choose a smaller one"),
        ("RINGLANE_TARGET_BYTES_MAX", "17KiB", "up to head_bytes_max"),
        ("RINGLANE_FIELDS_MAX", "many", "write a whole number"),
        ("RINGLANE_FIELDS_MAX", "0", "choose 1 to 256"),
        ("RINGLANE_CONNECTIONS_MAX", "0", "none for no limit"),
        ("RINGLANE_BUFFER_BYTES", "3KiB", "choose a power of two"),
        ("RINGLANE_RING_ENTRIES", "500", "choose a power of two"),
        ("RINGLANE_NODELAY", "maybe", "write on or off"),
        ("RINGLANE_TTL", "256", "choose 1 to 255"),
        ("RINGLANE_IDEL_TIMEOUT", "1s", "did you mean RINGLANE_IDLE_TIMEOUT?"),
        ("RINGLANE_idle_timeout", "1s", "did you mean RINGLANE_IDLE_TIMEOUT?"),
        ("RINGLANE_", "1s", "is no setting"),
    ] {
        let sentence = sentence(example("hello", HERE).env(name, value));
        assert_names(&sentence, &[part]);
    }
}

/// Has a command's io_uring_setup(2) fail with an error, as a container's seccomp profile does.
fn forbid_io_uring(command: &mut Command, error: libc::c_int) {
    const IO_URING_SETUP: u32 = libc::SYS_io_uring_setup as u32;
    let load_number = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let jump_if_equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let answer = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The number lies at the beginning of struct seccomp_data (seccomp(2)).
    let mut filter = [
        step(load_number, 0, 0, 0),
        step(jump_if_equal, 0, 1, IO_URING_SETUP),
        step(answer, 0, 0, libc::SECCOMP_RET_ERRNO | error as u32),
        step(answer, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let install = move || {
        let program = libc::sock_fprog {
            len: filter.len() as u16,
            filter: filter.as_mut_ptr(),
        };
        // SAFETY: `program` and the filter that it points to live until the calls return, which copy them.
        let installed = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
                && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
        };
        if installed {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    // SAFETY: `install` only makes two system calls, on memory of its own: it is async-signal-safe (signal-safety(7)).
    unsafe { command.pre_exec(install) };
}

#[test]
fn io_uring_that_is_refused() {
    for (error, parts) in [
        (libc::EPERM, ["seccomp", "allow io_uring_setup"]),
        (libc::ENOSYS, ["no io_uring", "Linux 6.1"]),
        (libc::EINVAL, ["below the floor", "Linux 6.1"]),
        (libc::ENOMEM, ["memory is short", "ulimit -l"]),
    ] {
        for cores in ["0", "all"] {
            let mut command = example("hello", HERE);
            forbid_io_uring(command.args(["--cores", cores]), error);
            match try_sentence(&mut command) {
                Ok(sentence) => {
                    assert_names(&sentence, &parts);
                    assert_names(&sentence, &[&io::Error::from_raw_os_error(error).to_string()]);
                }
                Err(error) => return skip(&format!("no seccomp filter can be installed here ({error})")),
            }
        }
    }
}

/// Has a command run with a lower limit, soft and hard.
fn limit(command: &mut Command, resource: libc::__rlimit_resource_t, most: u64) {
    let lower = move || {
        let limit = libc::rlimit {
            rlim_cur: most,
            rlim_max: most,
        };
        // SAFETY: `limit` is a readable rlimit, which is all that setrlimit(2) takes.
        match unsafe { libc::setrlimit(resource, &raw const limit) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    // SAFETY: `lower` makes one system call on memory of its own: it is async-signal-safe (signal-safety(7)).
    unsafe { command.pre_exec(lower) };
}

#[test]
fn too_little_lockable_memory() {
    let mut command = example("hello", HERE);
    without_root(&mut command);
    limit(&mut command, libc::RLIMIT_MEMLOCK, 64 * 1024);
    match try_sentence(&mut command) {
        Ok(sentence) => assert_names(&sentence, &["64 KiB", "512 KiB", "ulimit -l 512", "LimitMEMLOCK="]),
        Err(error) => skip(&format!("the example cannot be started as another user ({error})")),
    }
}

#[test]
fn too_few_descriptors() {
    let mut command = example("hello", HERE);
    limit(&mut command, libc::RLIMIT_NOFILE, 20);
    assert_names(&sentence(&mut command), &["only 20 files", "raise ulimit -n"]);
}

/// What is wrong with how a process starts, which it may do, or refuse to, but then in one sentence with this cure.
fn fault(process: Process, cure: &str) -> Option<String> {
    let ending = Server::try_ready(process).err()?;
    let is_sentence = ending.status.code() == Some(1) && ending.stderr.lines().count() == 1;
    (!is_sentence || !ending.stderr.contains(cure)).then_some(ending.stderr)
}

/// Where the number of connections is given, descriptors may run out anywhere on the way: it must be said all the same.
#[test]
fn too_few_descriptors_for_a_given_number_of_connections() {
    let faults: Vec<String> = (4..64)
        .filter_map(|descriptors| {
            let mut command = example("hello", HERE);
            command.env("RINGLANE_CONNECTIONS_MAX", "1");
            limit(&mut command, libc::RLIMIT_NOFILE, descriptors);
            let process = Process::spawn(&mut command).expect("the example can be started");
            let fault = fault(process, "raise ulimit -n")?;
            Some(format!("with {descriptors} descriptors: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "{}", faults.concat());
}

/// Threads may run out anywhere on the way, too.
#[test]
fn too_few_threads() {
    // SAFETY: the call takes nothing and cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return skip("RLIMIT_NPROC counts what else this user runs: run this as root, who can be somebody else");
    }
    let mut faults = String::new();
    for threads in 1..12 {
        let mut command = example("hello", HERE);
        without_root(&mut command);
        limit(&mut command, libc::RLIMIT_NPROC, threads);
        match Process::spawn(&mut command) {
            Ok(process) => {
                if let Some(fault) = fault(process, "limits") {
                    faults += &format!("with {threads} threads: {fault}");
                }
            }
            Err(error) => return skip(&format!("the example cannot be started as another user ({error})")),
        }
    }
    assert!(faults.is_empty(), "{faults}");
}
