//! What the process may use, checked before anything is started: cores, lockable memory, descriptors, threads, io_uring.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use crate::config::{Config, Cores};
use crate::error::Error;
use crate::ring;

/// What glommio needs to lock per core (its own check gives no cure).
const MEMLOCK_BYTES: u64 = 512 * 1024;
/// Descriptors that are not left to connections: per process, and per core (rings, eventfds, listening socket).
const RESERVED_DESCRIPTORS: u64 = 32;
const RESERVED_DESCRIPTORS_PER_CORE: u64 = 16;
/// A core's own thread, and the one for blocking work that its executor brings.
const THREADS_PER_CORE: usize = 2;
/// How long the end of a tried thread is waited for.
const GONE_LIMIT: Duration = Duration::from_secs(1);

/// What a server may use.
pub(crate) struct Allowance {
    /// The system's numbers of its cores.
    pub(crate) cores: Vec<usize>,
    /// The most connections of each core.
    pub(crate) connections_max: usize,
}

/// Finds out whether a server can run as it is configured to. glommio panics where it runs out of something on its way
/// up; here it is said in a sentence.
pub(crate) fn check(config: &Config) -> Result<Allowance, Error> {
    let cores = choose_cores(&config.cores)?;
    check_memlock()?;
    let connections_max = connections_max(config, cores.len() as u64)?;
    ring::check(config.ring_entries)?;
    check_threads(cores.len() * THREADS_PER_CORE)?;
    Ok(Allowance { cores, connections_max })
}

/// The chosen cores, each of which the process may use.
fn choose_cores(cores: &Cores) -> Result<Vec<usize>, Error> {
    let allowed: Vec<usize> = core_affinity::get_core_ids()
        .unwrap_or_default()
        .iter()
        .map(|core| core.id)
        .collect();
    match cores {
        Cores::All if allowed.is_empty() => Err(Error::Config {
            problem: "the process's cores could not be found out: name them, as in RINGLANE_CORES=0".to_owned(),
        }),
        Cores::All => Ok(allowed),
        Cores::List(cores) => match cores.iter().find(|core| !allowed.contains(core)) {
            None => Ok(cores.clone()),
            Some(&core) => Err(Error::CoreUnavailable { core, allowed }),
        },
    }
}

fn limit(resource: libc::__rlimit_resource_t) -> Result<libc::rlimit, Error> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `limit` is a writable rlimit, which is all that getrlimit(2) takes.
    if unsafe { libc::getrlimit(resource, &raw mut limit) } != 0 {
        return Err(Error::system("reading a resource limit")(io::Error::last_os_error()));
    }
    Ok(limit)
}

fn check_memlock() -> Result<(), Error> {
    let limit = limit(libc::RLIMIT_MEMLOCK)?.rlim_cur;
    if limit < MEMLOCK_BYTES {
        Err(Error::MemoryLock {
            limit,
            needed: MEMLOCK_BYTES,
        })
    } else {
        Ok(())
    }
}

/// How many connections each core may have: the configured number, or what descriptors allow. Raises the soft limit on
/// descriptors to the hard one (getrlimit(2)).
fn connections_max(config: &Config, cores: u64) -> Result<usize, Error> {
    let mut descriptors = limit(libc::RLIMIT_NOFILE)?;
    if descriptors.rlim_cur < descriptors.rlim_max {
        let raised = libc::rlimit {
            rlim_cur: descriptors.rlim_max,
            ..descriptors
        };
        // SAFETY: `raised` is a readable rlimit, which is all that setrlimit(2) takes.
        if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const raised) } == 0 {
            descriptors = raised;
        }
    }
    let reserved = RESERVED_DESCRIPTORS + cores * RESERVED_DESCRIPTORS_PER_CORE;
    let per_core = descriptors.rlim_cur.saturating_sub(reserved) / cores;
    if per_core == 0 {
        return Err(Error::Config {
            problem: format!(
                "the process may open only {} files, which leaves none for connections on {cores} cores: \
                 raise ulimit -n, or run on fewer cores",
                descriptors.rlim_cur
            ),
        });
    }
    Ok(match config.connections_max {
        Some(connections) => connections.get() as usize,
        None => usize::try_from(per_core).unwrap_or(usize::MAX),
    })
}

/// Whether so many threads can be started beside those that run.
fn check_threads(count: usize) -> Result<(), Error> {
    for thread in try_threads(count)? {
        wait_until_gone(thread);
    }
    Ok(())
}

/// Has so many threads at the same time, and tells what they were to the kernel.
fn try_threads(count: usize) -> Result<Vec<libc::pid_t>, Error> {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        let mut waiting = Vec::with_capacity(count);
        for _ in 0..count {
            let (go, wait) = mpsc::channel::<()>();
            let tell = tell.clone();
            let trial = move || {
                // SAFETY: the call takes nothing and cannot fail.
                let _ = tell.send(unsafe { libc::gettid() });
                let _ = wait.recv(); // Ends when `go` is dropped.
            };
            thread::Builder::new()
                .stack_size(64 * 1024)
                .spawn_scoped(scope, trial)
                .map_err(no_threads)?;
            waiting.push(go);
        }
        drop(tell);
        Ok(told.iter().take(count).collect())
    })
}

/// Waits for the end of a thread whose function has returned: until then the kernel counts it among those that the user
/// has (`RLIMIT_NPROC`, getrlimit(2)), and a thread that is started meanwhile may be refused.
fn wait_until_gone(thread: libc::pid_t) {
    // Bounded, as the number may in theory be another thread's by now.
    let until = Instant::now() + GONE_LIMIT;
    // SAFETY: the call takes numbers; signal 0 is not sent (kill(2)).
    while unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, 0) } == 0 && Instant::now() < until {
        thread::yield_now(); // It is a matter of microseconds.
    }
}

fn no_threads(source: io::Error) -> Error {
    Error::System {
        step: "starting a thread",
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What starts next must not be refused for threads that were only tried.
    #[test]
    fn tried_threads_are_gone_afterwards() {
        for _ in 0..100 {
            let threads = try_threads(4).expect("there may be four more threads");
            assert_eq!(threads.len(), 4);
            for thread in threads {
                wait_until_gone(thread);
                assert!(!Path::new(&format!("/proc/self/task/{thread}")).exists());
            }
        }
    }
}
