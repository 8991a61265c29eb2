//! Making a bridge: how many threads, on which cores, and how much may be under way.

use std::io;
use std::mem;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::Bridge;
use crate::config::Cores;
use crate::error::Error;

/// How many runs may be under way at once, unless said otherwise.
const IN_FLIGHT_MAX: usize = 1024;
/// How many threads blocking functions may have, unless said otherwise.
const BLOCKING_THREADS_MAX: usize = 32;

/// The choices of a [`Bridge`].
///
/// ```
/// use ringlane::bridge::Bridge;
///
/// let bridge = Bridge::builder().threads(2).in_flight_max(256).build()?;
/// assert_eq!(bridge.block_on(async { 6 * 7 }), 42);
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    threads: Option<usize>,
    blocking_threads_max: usize,
    in_flight_max: usize,
    cores: Cores,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder {
            threads: None,
            blocking_threads_max: BLOCKING_THREADS_MAX,
            in_flight_max: IN_FLIGHT_MAX,
            cores: Cores::All,
        }
    }
}

impl Builder {
    /// How many threads run futures. Without it there are as many as cores on which they may run.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Builder {
        self.threads = Some(threads);
        self
    }

    /// How many threads at the most run the functions of [`Bridge::run_blocking`], and whatever else is blocking in the
    /// runtime, such as looking up names; 32 without it. They are started when they are needed, and end when they have had
    /// nothing to do for ten seconds.
    #[must_use]
    pub fn blocking_threads_max(mut self, threads: usize) -> Builder {
        self.blocking_threads_max = threads;
        self
    }

    /// How many runs may be under way at once, on all cores together; 1,024 without it. What is beyond comes to
    /// [`BridgeError::Busy`](super::BridgeError::Busy) instead of waiting.
    #[must_use]
    pub fn in_flight_max(mut self, runs: usize) -> Builder {
        self.in_flight_max = runs;
        self
    }

    /// On which cores the threads may run, each of them on all of these. Without it they may run on all cores that the
    /// process may use, also where the bridge is made on a thread that is pinned to one.
    #[must_use]
    pub fn cores(mut self, cores: Cores) -> Builder {
        self.cores = cores;
        self
    }

    /// Starts the threads, whose names are `bridge-0`, `bridge-1` and so on.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] where a number is zero, [`Error::CoreUnavailable`] for a core that the process may not use, and
    /// [`Error::System`] where the threads cannot be started.
    pub fn build(self) -> Result<Bridge, Error> {
        for (name, number) in [
            ("threads", self.threads.unwrap_or(1)),
            ("blocking_threads_max", self.blocking_threads_max),
            ("in_flight_max", self.in_flight_max),
        ] {
            if number == 0 {
                let problem = format!("a bridge with {name} 0 can run nothing: make it 1 or more");
                return Err(Error::Config { problem });
            }
        }
        let cores = choose(&self.cores, &process_cores()?)?;
        let started = AtomicUsize::new(0);
        let mask = mask(&cores);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.threads.unwrap_or(cores.len()))
            .max_blocking_threads(self.blocking_threads_max)
            .thread_name_fn(move || format!("bridge-{}", started.fetch_add(1, Ordering::Relaxed)))
            .on_thread_start(move || run_on(&mask))
            .enable_all()
            .build()
            .map_err(Error::system("starting the threads of a bridge"))?;
        Ok(Bridge::of(runtime, self.in_flight_max))
    }
}

/// The cores to run on, of those that are allowed.
fn choose(cores: &Cores, allowed: &[usize]) -> Result<Vec<usize>, Error> {
    let chosen = match cores {
        Cores::All => allowed,
        Cores::List(chosen) if chosen.is_empty() => {
            let problem = "a bridge on no core can run nothing: name one core or more".to_owned();
            return Err(Error::Config { problem });
        }
        Cores::List(chosen) => chosen,
    };
    match chosen.iter().find(|core| !allowed.contains(core)) {
        Some(&core) => Err(Error::CoreUnavailable {
            core,
            allowed: allowed.to_vec(),
        }),
        None => Ok(chosen.to_vec()),
    }
}

/// The cores that the process's first thread may use: this one may be pinned to one of them, as those of a server are.
fn process_cores() -> Result<Vec<usize>, Error> {
    let mut mask = mask(&[]);
    // SAFETY: getpid(2) takes nothing; sched_getaffinity(2) writes no more than the given size, which is the mask's.
    let outcome = unsafe { libc::sched_getaffinity(libc::getpid(), size_of_val(&mask), &raw mut mask) };
    if outcome != 0 {
        return Err(Error::system("asking for the process's cores")(
            io::Error::last_os_error(),
        ));
    }
    let numbers = 0..libc::CPU_SETSIZE as usize;
    // SAFETY: the number is below CPU_SETSIZE, and so within the mask.
    Ok(numbers
        .filter(|&core| unsafe { libc::CPU_ISSET(core, &mask) })
        .collect())
}

fn mask(cores: &[usize]) -> libc::cpu_set_t {
    // SAFETY: a cpu_set_t is made of integers, for which zeros are valid.
    let mut mask: libc::cpu_set_t = unsafe { mem::zeroed() };
    for &core in cores.iter().filter(|&&core| core < libc::CPU_SETSIZE as usize) {
        // SAFETY: the number is below CPU_SETSIZE, and so within the mask.
        unsafe { libc::CPU_SET(core, &mut mask) };
    }
    mask
}

/// Lets this thread run on these cores. Where the system takes them away between the check and this, the thread stays where
/// its maker may run.
fn run_on(mask: &libc::cpu_set_t) {
    // SAFETY: sched_setaffinity(2) reads no more than the given size, which is the mask's; 0 is this thread.
    let _ = unsafe { libc::sched_setaffinity(0, size_of_val(mask), &raw const *mask) };
}
