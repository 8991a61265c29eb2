//! What the system says of this process.

use std::fs;

/// Resident memory in bytes (proc_pid_statm(5)).
pub fn resident_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").expect("/proc/self/statm is readable");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .expect("statm has a second field");
    pages * page_bytes()
}

fn page_bytes() -> u64 {
    // SAFETY: the call takes a number and returns one.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).expect("the size of a page is positive")
}
