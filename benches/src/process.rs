//! What proc(5) tells about a process.

use std::{fs, io};

/// Resident memory in KiB (proc(5), status).
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// All of it.
    pub all: u64,
    /// What is the process's own.
    pub anonymous: u64,
    /// Pages of files.
    pub file: u64,
}

impl Memory {
    /// As it is at the moment.
    ///
    /// # Errors
    ///
    /// Where there is no such process.
    pub fn of(pid: u32) -> io::Result<Memory> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        Ok(Memory {
            all: kib(&status, "VmRSS:")?,
            anonymous: kib(&status, "RssAnon:")?,
            file: kib(&status, "RssFile:")?,
        })
    }
}

/// Reads a line such as `VmRSS:      1234 kB`.
///
/// # Errors
///
/// Where there is none.
pub fn kib(text: &str, name: &str) -> io::Result<u64> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| io::Error::other(format!("the system does not tell {name}")))
}
