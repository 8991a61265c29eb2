//! What proc(5) tells about a process.

use std::collections::HashSet;
use std::fs;

/// One thread of a process.
#[derive(Debug)]
pub struct Thread {
    pub id: i32,
    pub name: String,
    /// The cores on which it may run, by number.
    pub cores: Vec<usize>,
}

/// The threads of a process.
pub fn threads(pid: i32) -> Vec<Thread> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("the process runs");
    let ids = tasks.map(|task| task.unwrap().file_name().to_string_lossy().parse().unwrap());
    ids.map(|id| {
        let status = fs::read_to_string(format!("/proc/{pid}/task/{id}/status")).expect("the thread runs");
        Thread {
            id,
            name: field(&status, "Name").to_owned(),
            cores: list(field(&status, "Cpus_allowed_list")),
        }
    })
    .collect()
}

/// The cores on which this process may run.
pub fn allowed_cores() -> Vec<usize> {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is mounted");
    list(field(&status, "Cpus_allowed_list"))
}

/// A field of `/proc/PID/status` that is a size, in KiB: VmRSS, VmHWM, …
pub fn memory_kib(pid: i32, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let size = field(&status, name);
    size.trim_end_matches(" kB").parse().expect("a size in kB")
}

/// How many descriptors a process has open.
pub fn descriptors(pid: i32) -> usize {
    fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the process runs")
        .count()
}

/// CPU time that a process has used, user and system, in ticks.
pub fn cpu_ticks(pid: i32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("the process runs");
    // Behind the name in parentheses: utime and stime are columns 14 and 15.
    let (_, columns) = stat.rsplit_once(')').expect("there is a name");
    let ticks = columns.split_whitespace().skip(11).take(2);
    ticks.map(|column| column.parse::<u64>().expect("a number")).sum()
}

/// How many TCP sockets of a process listen on a port.
pub fn listening_sockets(pid: i32, port: u16) -> usize {
    const LISTEN: &str = "0A";
    let own: HashSet<String> = fs::read_dir(format!("/proc/{pid}/fd"))
        .expect("the process runs and is ours")
        .filter_map(|entry| fs::read_link(entry.ok()?.path()).ok())
        .filter_map(|link| {
            let inode = link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?;
            Some(inode.to_owned())
        })
        .collect();
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc is mounted");
    table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect::<Vec<_>>())
        .filter(|columns| columns[1].ends_with(&format!(":{port:04X}")) && columns[3] == LISTEN)
        .filter(|columns| own.contains(columns[9]))
        .count()
}

fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let mut fields = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = fields.find(|(field, _)| *field == name).expect("the field exists");
    value.trim()
}

/// Reads a list of cores as the kernel writes it: `0-2,5`.
fn list(text: &str) -> Vec<usize> {
    text.split(',')
        .flat_map(|part| {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            first.parse().unwrap()..=last.parse().unwrap()
        })
        .collect()
}
