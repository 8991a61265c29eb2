//! What is asked for on the command line.

use std::path::PathBuf;

use clap::Parser;

use crate::scenario::ROUNDS_MAX;

/// Measures Ringlane beside other servers, in alternation, and writes a report.
#[derive(Debug, Parser)]
#[command(name = "compare")]
pub struct Options {
    /// Fewer scenarios, fewer rounds, shorter measurements: within ten minutes, builds not counted
    #[arg(long)]
    pub quick: bool,
    /// Only these of peers.toml, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub only: Vec<String>,
    /// Only these scenarios or groups of scenarios, separated by commas (`--scenarios list` prints them); `pipelined:12` for
    /// twelve rounds of one
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub scenarios: Vec<String>,
    /// How often everybody is measured in each scenario
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(ROUNDS_MAX)))]
    pub rounds: Option<u32>,
    /// Where the report goes; otherwise a directory named after the time, in benches/compare/results
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Whose capacity the fixed rates are shares of; otherwise the slowest's
    #[arg(long, value_name = "NAME")]
    pub rate_of: Option<String>,
    /// Another table of who takes part; commands run in its directory
    #[arg(long, value_name = "FILE")]
    pub peers: Option<PathBuf>,
    /// Take what was built before
    #[arg(long)]
    pub no_build: bool,
    /// Measure nothing: write the report once more, from the results.json of an earlier run
    #[arg(long, value_name = "FILE")]
    pub render: Option<PathBuf>,
}
