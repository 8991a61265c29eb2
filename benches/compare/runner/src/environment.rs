//! What the measurements were made on and with.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::building::first_line;
use crate::system::Cores;

/// From this average of a minute on, the machine is not idle.
const LOAD_MAX: f64 = 1.5;

/// One thing about the machine or the tools.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Fact {
    /// What it is about.
    pub name: String,
    /// What is so.
    pub value: String,
}

/// Everything that is recorded at the start of a run.
pub fn facts(cores: &Cores, directory: &Path) -> Vec<Fact> {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown", |(_, model)| model);
    let memory = read("/proc/meminfo");
    let memory_kib: f64 = memory
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0.0);
    let is_virtual = cpus.split_whitespace().any(|flag| flag == "hypervisor");
    let list = |cores: &[usize]| cores.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let facts = [
        ("date", now()),
        ("kernel", format!("Linux {}", read("/proc/sys/kernel/osrelease").trim())),
        ("processor", format!("{model}, {} cores", cores.all.len())),
        ("machine", if is_virtual { "virtual" } else { "not virtual" }.to_owned()),
        ("memory", format!("{:.1} GiB", memory_kib / (1 << 20) as f64)),
        (
            "cores",
            format!("server on {}, load on {}", list(cores.server(1)), list(cores.load(1))),
        ),
        (
            "load of the machine at the start (1, 5, 15 minutes)",
            load(&read("/proc/loadavg")),
        ),
        ("Ringlane's commit", commit(directory)),
        ("rustc", said_by(directory, &["rustc", "--version"])),
        ("wrk", said_by(directory, &["wrk", "-v"])),
        ("ab", said_by(directory, &["ab", "-V"])),
    ];
    facts
        .into_iter()
        .map(|(name, value)| Fact {
            name: name.to_owned(),
            value,
        })
        .collect()
}

/// Says so where the machine has something else to do.
pub fn warn_of_load() {
    let averages = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minute: f64 = averages
        .split(' ')
        .next()
        .and_then(|load| load.parse().ok())
        .unwrap_or(0.0);
    if minute >= LOAD_MAX {
        eprintln!("the machine has something else to do (load {minute:.1}): what is measured now will be noisy");
    }
}

fn load(averages: &str) -> String {
    averages.split_whitespace().take(3).collect::<Vec<_>>().join(", ")
}

/// The commit, and whether anything was changed since.
fn commit(directory: &Path) -> String {
    let git = |words: &[&str]| -> Option<String> {
        let output = Command::new("git").args(words).current_dir(directory).output().ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match git(&["status", "--porcelain", "--untracked-files=no"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}, with changes"),
    }
}

fn said_by(directory: &Path, words: &[&str]) -> String {
    let output = Command::new(words[0]).args(&words[1..]).current_dir(directory).output();
    output.map_or("unknown".to_owned(), |output| {
        let line = first_line(&[output.stdout, output.stderr].concat());
        // What follows is a copyright notice.
        line.split(" Copyright").next().unwrap_or_default().to_owned()
    })
}

/// The time, UTC, as `2026-01-31 23:59`.
pub fn now() -> String {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    written(since_epoch.as_secs())
}

fn written(seconds: u64) -> String {
    let (year, month, day) = civil(seconds / 86_400);
    let minutes = seconds % 86_400 / 60;
    format!("{year}-{month:02}-{day:02} {:02}:{:02}", minutes / 60, minutes % 60)
}

/// Year, month and day of a number of days since 1970 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // Days since 0000-03-01; years that begin in March have their leap day at the end.
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::{load, written};

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01 00:00"),
            (951_782_400, "2000-02-29 00:00"),
            (1_795_262_399, "2026-11-21 11:59"),
            (4_107_542_400, "2100-03-01 00:00"),
        ] {
            assert_eq!(written(seconds), date);
        }
    }

    #[test]
    fn three_averages_are_shown() {
        assert_eq!(load("0.10 0.20 0.30 1/80 4242\n"), "0.10, 0.20, 0.30");
    }
}
