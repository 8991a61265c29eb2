//! What this process asks of the system for itself: cores, descriptors, and to be told when it is interrupted.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Which cores server and load run on.
#[derive(Clone, Debug)]
pub struct Cores {
    /// All that this process may use.
    pub all: Vec<usize>,
}

impl Cores {
    /// As the system allows.
    ///
    /// # Errors
    ///
    /// Where there are fewer than two.
    pub fn allowed() -> io::Result<Cores> {
        // SAFETY: an all-zero set is an empty one; the call writes within the size that is passed.
        let set = unsafe {
            let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed().assume_init();
            if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
                return Err(io::Error::last_os_error());
            }
            set
        };
        let all: Vec<usize> = (0..libc::CPU_SETSIZE as usize)
            // SAFETY: the number is below the size of the set.
            .filter(|&core| unsafe { libc::CPU_ISSET(core, &set) })
            .collect();
        if all.len() < 2 {
            return Err(io::Error::other(
                "a comparison needs two cores, one for the server and one for the load; this process may use one",
            ));
        }
        Ok(Cores { all })
    }

    /// The server's, for so many of its threads.
    pub fn server(&self, threads: usize) -> &[usize] {
        &self.all[..threads.min(self.all.len())]
    }

    /// The load's, beside a server with so many threads: as many, and none of the server's where there are enough.
    pub fn load(&self, threads: usize) -> &[usize] {
        if self.all.len() >= 2 * threads {
            &self.all[threads..2 * threads]
        } else {
            &self.all[self.all.len() - 1..]
        }
    }
}

/// Has the calling process run on these cores only. Allocates nothing, so that it may be called between fork and exec.
///
/// # Errors
///
/// What the system says.
pub fn pin(cores: &[usize]) -> io::Result<()> {
    // SAFETY: an all-zero set is an empty one; CPU_SET ignores what lies beyond its end; the call reads the size passed.
    let result = unsafe {
        let mut set = MaybeUninit::<libc::cpu_set_t>::zeroed().assume_init();
        for &core in cores {
            libc::CPU_SET(core, &mut set);
        }
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Raises the soft limit on descriptors to the hard one, which is returned. Children inherit it.
///
/// # Errors
///
/// What the system says.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls take a pointer to a whole rlimit, which `limit` is.
    let done = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) == 0
        }
    };
    if done {
        Ok(limit.rlim_max)
    } else {
        Err(io::Error::last_os_error())
    }
}

/// From now on SIGINT and SIGTERM end the run in order, with what was started ended first; and what a server leaves
/// behind becomes a child of this process.
pub fn prepare_for_interruption() {
    extern "C" fn note(_signal: libc::c_int) {
        INTERRUPTED.store(true, Ordering::Relaxed);
    }
    let handler: extern "C" fn(libc::c_int) = note;
    // SAFETY: the handler does nothing but store to an atomic; the other call takes numbers only.
    unsafe {
        for signal in [libc::SIGINT, libc::SIGTERM] {
            libc::signal(signal, handler as libc::sighandler_t);
        }
        libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1);
    }
}

/// Whether the run has to end.
///
/// # Errors
///
/// Where it was interrupted.
pub fn check_interrupted() -> io::Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) {
        Err(io::Error::new(io::ErrorKind::Interrupted, "interrupted"))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Cores;

    #[test]
    fn load_keeps_off_the_servers_cores_where_there_are_enough() {
        let two = Cores { all: vec![0, 1] };
        assert_eq!((two.server(1), two.load(1)), (&[0][..], &[1][..]));
        assert_eq!((two.server(2), two.load(2)), (&[0, 1][..], &[1][..]));
        let four = Cores { all: vec![0, 1, 2, 3] };
        assert_eq!((four.server(1), four.load(1)), (&[0][..], &[1][..]));
        assert_eq!((four.server(2), four.load(2)), (&[0, 1][..], &[2, 3][..]));
    }
}
