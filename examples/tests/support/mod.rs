//! What the process-level tests share: starting examples, talking to them, and looking at them from outside.
#![allow(dead_code, reason = "every test file uses its own part of this")]

pub mod browser;
pub mod client;
pub mod directory;
pub mod frames;
pub mod nginx;
pub mod process;
pub mod procfs;
pub mod strace;

use std::io::Write;
use std::time::{Duration, Instant};

/// Says in the test's output that something was not tested, and why.
pub fn skip(reason: &str) {
    // Not by a macro: what those print, the test harness keeps to itself unless the test fails.
    let _ = writeln!(std::io::stderr(), "SKIPPED: {reason}");
}

/// Looks again and again until `holds`, for at most five seconds. True where it came to hold.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + Duration::from_secs(5);
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Raises this process's soft limit on descriptors to the hard one, which is returned.
pub fn raise_descriptor_limit() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: both calls take a pointer to a whole rlimit, which `limit` is.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
    }
    limit.rlim_max
}
