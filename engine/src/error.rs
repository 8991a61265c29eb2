//! What can go wrong while a server starts, runs and stops: one enum, one sentence each.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a server did not start, or ended.
///
/// `Display` prints one sentence that names what was tried, what the system said, and the cure. `Debug` prints the
/// same sentence, so that `fn main() -> Result<(), ringlane::Error>` shows it as it is.
///
/// ```
/// let error = ringlane::Config::from_variables([("RINGLANE_IDLE_TIMEOUT", "soon")]).unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "RINGLANE_IDLE_TIMEOUT is \"soon\", which is not a duration: \
///      write a whole number and a unit, such as 75s, 500ms or 2m"
/// );
/// ```
#[non_exhaustive]
pub enum Error {
    /// A `RINGLANE_…` variable holds a value that its knob cannot take.
    Variable {
        /// The variable's name.
        name: String,
        /// What it holds.
        value: String,
        /// What is wrong with the value and how to write a right one.
        problem: String,
    },
    /// A `RINGLANE_…` variable that no knob answers to.
    VariableUnknown {
        /// The variable's name.
        name: String,
        /// The known variable that it resembles most.
        nearest: String,
    },
    /// Knobs contradict each other or leave their range.
    Config {
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// A chosen core does not exist or is closed to this process.
    CoreUnavailable {
        /// The core that was asked for.
        core: usize,
        /// The cores that the process may use.
        allowed: Vec<usize>,
    },
    /// The address text does not name an address.
    Address {
        /// The text as given to [`Server::bind`](crate::Server::bind).
        address: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// The listening socket could not be made.
    Bind {
        /// The address to listen on.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The io_uring of a core could not be set up.
    Ring {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// The executor needs more lockable memory than the process may lock.
    MemoryLock {
        /// `RLIMIT_MEMLOCK` in bytes.
        limit: u64,
        /// Bytes that are needed.
        needed: u64,
    },
    /// The executor of a core could not be started.
    Executor {
        /// What it said.
        problem: String,
    },
    /// The receive buffers could not be reserved.
    Pool(ringlane_pool::Error),
    /// A system call outside the request path failed.
    System {
        /// What was tried.
        step: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// A core's thread panicked outside of any handler.
    CorePanicked {
        /// The core on which it ran.
        core: usize,
    },
    /// A service cannot be used as it is.
    Service {
        /// What is wrong and how to mend it.
        problem: String,
    },
    /// The drain limit passed with requests unanswered; their connections were cut.
    DrainTimeout {
        /// How many connections were cut.
        connections: usize,
    },
}

impl Error {
    pub(crate) fn ring(step: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Ring { step, source }
    }

    pub(crate) fn system(step: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::System { step, source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Variable { name, value, problem } => write!(out, "{name} is {value:?}, {problem}"),
            Error::VariableUnknown { name, nearest } => {
                write!(
                    out,
                    "{name} is no setting of ringlane: did you mean {nearest}? Unset it or correct its name"
                )
            }
            Error::Config { problem } | Error::Service { problem } => out.write_str(problem),
            Error::CoreUnavailable { core, allowed } => {
                write!(out, "core {core} is not one that this process may use: choose from ")?;
                list(out, allowed)?;
                out.write_str(", or widen the process's affinity (taskset, cpuset)")
            }
            Error::Address { address, source } => {
                write!(
                    out,
                    "{address:?} is not an address to listen on ({source}): write host:port, such as 0.0.0.0:8080"
                )
            }
            Error::Bind { address, source } => bind_sentence(out, *address, source),
            Error::Ring { step, source } => ring_sentence(out, step, source),
            Error::MemoryLock { limit, needed } => write!(
                out,
                "the process may lock only {} KiB of memory and each core's executor needs {} KiB: \
                 raise the limit (ulimit -l {}, or LimitMEMLOCK= in the systemd unit)",
                limit / 1024,
                needed / 1024,
                needed / 1024
            ),
            Error::Executor { problem } => {
                write!(
                    out,
                    "a core's executor could not be started ({problem}): check that io_uring is allowed and memory is free"
                )
            }
            Error::Pool(source) => source.fmt(out),
            Error::System { step, source } => write!(
                out,
                "{step} failed ({source}): check the process's limits and permissions"
            ),
            Error::CorePanicked { core } => write!(
                out,
                "the thread of core {core} panicked outside of a handler: its message is above; \
                 a task that was started with glommio::spawn_local must catch its own panics"
            ),
            Error::DrainTimeout { connections } => write!(
                out,
                "the drain limit passed and {connections} connections with unanswered requests were cut: \
                 raise drain_timeout or shorten the handlers"
            ),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Address { source, .. }
            | Error::Bind { source, .. }
            | Error::Ring { source, .. }
            | Error::System { source, .. } => Some(source),
            Error::Pool(source) => Some(source),
            _ => None,
        }
    }
}

impl From<ringlane_pool::Error> for Error {
    fn from(error: ringlane_pool::Error) -> Error {
        Error::Pool(error)
    }
}

fn list(out: &mut fmt::Formatter<'_>, cores: &[usize]) -> fmt::Result {
    for (index, core) in cores.iter().enumerate() {
        write!(out, "{}{core}", if index == 0 { "" } else { "," })?;
    }
    Ok(())
}

fn bind_sentence(out: &mut fmt::Formatter<'_>, address: SocketAddr, source: &io::Error) -> fmt::Result {
    let cure = match source.raw_os_error() {
        Some(libc::EADDRINUSE) => {
            "another socket has it: stop that program (ss -ltnp shows it), choose another port, \
             or set share_port where two servers are to share it"
        }
        Some(libc::EACCES) => {
            "ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE: \
             grant it (setcap cap_net_bind_service=+ep) or choose a higher port"
        }
        Some(libc::EADDRNOTAVAIL) => {
            "no interface of this machine has that address: listen on one that it has, or on 0.0.0.0"
        }
        _ => "check the address and the socket settings",
    };
    write!(out, "cannot listen on {address} ({source}): {cure}")
}

/// Says why io_uring was refused; the system's error alone does not tell (io_uring_setup(2), ERRORS).
fn ring_sentence(out: &mut fmt::Formatter<'_>, step: &str, source: &io::Error) -> fmt::Result {
    let cure = match source.raw_os_error() {
        Some(libc::EPERM) => match std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled")
            .as_deref()
            .map(str::trim)
        {
            Ok("1") => {
                "kernel.io_uring_disabled is 1: set it to 0, or add the process's group to kernel.io_uring_group"
            }
            Ok("2") => "kernel.io_uring_disabled is 2: set it to 0 (sysctl kernel.io_uring_disabled=0)",
            _ => {
                "a seccomp filter forbids it, as containers' default profiles do: allow io_uring_setup, io_uring_enter and io_uring_register"
            }
        },
        Some(libc::ENOSYS) => {
            "this kernel has no io_uring, or a seccomp filter hides it: Linux 6.1 or later with CONFIG_IO_URING is needed"
        }
        Some(libc::EINVAL) => "the kernel is below the floor: Linux 6.1 or later is needed (uname -r tells which runs)",
        Some(libc::ENOMEM) => {
            "memory is short, or the process may lock too little of it: raise ulimit -l, or lower ring_entries"
        }
        Some(libc::EMFILE | libc::ENFILE) => "file descriptors are used up: raise ulimit -n",
        _ => "check that io_uring is enabled for this process",
    };
    write!(out, "{step} failed ({source}): {cure}")
}
