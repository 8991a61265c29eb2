//! Everything that a run found out: the raw numbers, as results.json has them. The report is made from nothing else.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::environment::Fact;
use crate::load::fixed::Latency;
use crate::peers::Kind;
use crate::process::{Cpu, Memory};

/// A run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    /// Whether it was made with `--quick`.
    pub quick: bool,
    /// How long it took, without the builds.
    pub duration_seconds: f64,
    /// What it was made on and with.
    pub environment: Vec<Fact>,
    /// How many cores the load shares with a server that has two threads.
    pub shared_cores: usize,
    /// What was measured.
    pub scenarios: Vec<Measured>,
    /// Scenarios that `--quick` left out.
    pub left_out: Vec<String>,
    /// Who took part.
    pub participants: Vec<Participant>,
    /// Who did not, and why.
    pub missing: Vec<Missing>,
    /// Who took no part in one scenario.
    pub absences: Vec<Absence>,
    /// What the fixed rates are shares of.
    pub capacity: Option<Capacity>,
    /// What the kernel holds for each of a client's sockets, in bytes; it is taken off what idle connections cost.
    #[serde(default)]
    pub client_half: Option<f64>,
    /// The measurements under load.
    pub samples: Vec<Sample>,
    /// Those of idle connections and of the start.
    pub idle: Vec<IdleSample>,
}

/// A scenario of a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Measured {
    /// As in `scenario::ALL`.
    pub name: String,
    /// How often everybody was measured.
    pub rounds: u32,
    /// For how long, each time.
    pub seconds: f64,
}

/// Who took part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Participant {
    /// As in peers.toml.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What it is written in.
    pub language: String,
    /// Which version.
    pub version: String,
    /// What makes it fast.
    pub settings: String,
    /// All bytes of its answer to GET /.
    pub answer_bytes: usize,
    /// How many fields that answer has.
    pub answer_fields: usize,
    /// Status line and fields.
    pub answer_head: String,
}

/// Who took no part at all.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Missing {
    /// As in peers.toml.
    pub name: String,
    /// Why, and what to do about it.
    pub reason: String,
}

/// Who took no part in a scenario, or could not be measured in a round of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Absence {
    /// The scenario's name.
    pub scenario: String,
    /// The participant's.
    pub participant: String,
    /// Why.
    pub reason: String,
}

/// What the fixed rates are shares of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Capacity {
    /// Whose it is.
    pub of: String,
    /// Requests a second, on 64 connections that are kept alive.
    pub rate: f64,
}

/// One participant in one round of one scenario.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// The scenario's name.
    pub scenario: String,
    /// The participant's.
    pub participant: String,
    /// Counted from 0.
    pub round: u32,
    /// Answers.
    pub requests: u64,
    /// Answers a second.
    pub rate: f64,
    /// The server's CPU time for each of them, in nanoseconds.
    pub cpu: Cpu,
    /// How much of its cores the server used, from 0 to 1.
    pub server_share: f64,
    /// How much of its cores the load used. None where it spins.
    pub load_share: Option<f64>,
    /// How much of the server's cores, or of the load's, something else used: the greater of the two.
    pub foreign_share: f64,
    /// What went wrong, in words.
    pub errors: Vec<String>,
    /// Where the rate was fixed.
    pub latency: Option<Latency>,
}

/// One participant in one round of the scenario without load.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct IdleSample {
    /// The participant's name.
    pub participant: String,
    /// Counted from 0.
    pub round: u32,
    /// From before it was started to the end of its first answer, in milliseconds.
    pub first_answer: Vec<f64>,
    /// When it had answered once.
    pub at_start: Memory,
    /// The slope was taken up to so many connections.
    pub connections: usize,
    /// Process memory for each connection, in bytes (proportional).
    pub process: f64,
    /// Of that, what belongs to no file.
    pub anonymous: f64,
    /// The kernel's for each connection, in bytes, without the client's half.
    pub kernel: f64,
}

impl Results {
    /// Reads a results.json.
    ///
    /// # Errors
    ///
    /// Where it is none.
    pub fn read(file: &Path) -> io::Result<Results> {
        let text = fs::read_to_string(file);
        let parsed = text.and_then(|text| serde_json::from_str(&text).map_err(io::Error::from));
        parsed.map_err(|error| io::Error::other(format!("{}: {error}", file.display())))
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        fs::write(file, text)
    }
}
