//! What was counted, by all clients together.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many failures of a kind are told in full.
const TOLD_MAX: u64 = 3;
/// How many bytes of a failure's are told.
const BYTES_TOLD: usize = 500;

#[derive(Default)]
pub struct Tally(Mutex<Counts>);

#[derive(Default)]
pub struct Counts {
    /// Connections by the kind of client.
    pub connections: BTreeMap<&'static str, u64>,
    /// All answers, to valid and other requests.
    pub statuses: BTreeMap<u16, u64>,
    /// Valid requests, and what became of them.
    pub sent: u64,
    pub exact: u64,
    pub wrong: u64,
    pub missing: u64,
    /// Those that the server had no memory for, where that may be, and what was pipelined behind them.
    pub refused: u64,
    /// What went wrong, and how often.
    pub failures: BTreeMap<String, u64>,
    pub told: Vec<String>,
}

impl Counts {
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

impl Tally {
    pub fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn connected(&self, kind: &'static str) {
        *self.counts().connections.entry(kind).or_default() += 1;
    }

    pub fn answered(&self, statuses: &[u16]) {
        let mut counts = self.counts();
        for status in statuses {
            *counts.statuses.entry(*status).or_default() += 1;
        }
    }

    /// Something that must not be.
    pub fn fail(&self, what: &str, details: &str) {
        let mut counts = self.counts();
        let count = counts.failures.entry(what.to_owned()).or_default();
        *count += 1;
        if *count <= TOLD_MAX {
            eprintln!("failure: {what}");
            counts.told.push(format!("{what}\n  {details}"));
        }
    }
}

/// Bytes for people: the beginning, and how many there are.
pub fn show(bytes: &[u8]) -> String {
    let told = &bytes[..bytes.len().min(BYTES_TOLD)];
    format!("{} bytes \"{}\"", bytes.len(), told.escape_ascii())
}
