//! The comparison: builds who takes part, measures everybody in alternation, and writes a report.

mod building;
mod chart;
mod check;
mod environment;
mod http;
mod idle;
mod kernel;
mod load;
mod measure;
mod options;
mod peers;
mod process;
mod published;
mod report;
mod results;
mod run;
mod scenario;
mod server;
mod statistics;
mod summary;
mod system;
mod text;
mod verdict;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

use crate::measure::Bench;
use crate::options::Options;
use crate::peers::Table;
use crate::results::{Missing, Results};
use crate::run::Run;
use crate::scenario::Load;
use crate::server::Scratch;
use crate::system::Cores;

/// The directory of peers.toml.
const COMPARE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

fn main() -> ExitCode {
    match compare(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Options) -> io::Result<()> {
    if options.scenarios == ["list"] {
        println!("{}", scenario::known());
        return Ok(());
    }
    if let Some(file) = &options.render {
        let results = Results::read(file)?;
        let directory = file.parent().unwrap_or(Path::new("."));
        return report(&results, options.out.as_deref().unwrap_or(directory));
    }
    let scenario::Choice { scenarios, left_out } = scenario::choose(&options.scenarios, options.quick, options.rounds)?;
    building::require("wrk", "wrk")?;
    if scenarios
        .iter()
        .any(|(scenario, _)| matches!(scenario.load, Load::Ab(_)))
    {
        building::require("ab", "apache2-utils")?;
    }
    if !left_out.is_empty() {
        eprintln!("--quick leaves out {}", left_out.join(", "));
    }
    let out = out(options);
    let mut results = Results {
        quick: options.quick,
        left_out: left_out.into_iter().map(str::to_owned).collect(),
        ..Results::default()
    };
    measure(options, scenarios, &mut results, &out)?;
    report(&results, &out)
}

/// Where the report goes.
fn out(options: &Options) -> PathBuf {
    options.out.clone().unwrap_or_else(|| {
        let name = environment::now().replace([' ', ':'], "-");
        let kind = if options.quick { "-quick" } else { "" };
        Path::new(COMPARE).join("results").join(format!("{name}{kind}"))
    })
}

fn measure(
    options: &Options,
    scenarios: Vec<(scenario::Scenario, u32)>,
    results: &mut Results,
    out: &Path,
) -> io::Result<()> {
    system::prepare_for_interruption();
    let descriptors = system::raise_descriptor_limit()?;
    let cores = Cores::allowed()?;
    let (table, versions) = build(options, results)?;
    environment::warn_of_load();
    results.environment = environment::facts(&cores, Path::new(COMPARE));
    results.shared_cores = cores
        .server(2)
        .iter()
        .filter(|core| cores.load(2).contains(core))
        .count();

    system::pin(cores.load(1))?; // Builds had all cores; from here on the server's is its own.
    let scratch = Scratch::new()?;
    std::fs::create_dir_all(out)?;
    let file = &out.join("results.json");
    let bench = Bench {
        cores: &cores,
        directory: &table.directory,
        scratch: &scratch,
        quick: options.quick,
        warm_up: Duration::from_millis(if options.quick { 250 } else { 500 }),
        fixed_seconds: if options.quick { 1.5 } else { 2.5 },
    };
    let mut run = Run {
        bench,
        plan: idle::Plan::new(options.quick, descriptors),
        scenarios,
        peers: table.peers,
        rate_of: options.rate_of.clone(),
        file,
    };
    run.probe(results, &versions)?;
    if run.peers.is_empty() {
        return Err(io::Error::other("nobody takes part"));
    }
    let minutes = run.estimate(results) / 60.0;
    eprintln!(
        "{} take part; this will take about {minutes:.0} minutes",
        run.peers.len()
    );
    let outcome = run.run(results);
    results.write(file)?; // What was measured stays, should the run have been interrupted.
    outcome
}

/// Those of the table that can be started, with their versions. The others are noted as missing.
fn build(options: &Options, results: &mut Results) -> io::Result<(Table, Vec<String>)> {
    let file = options.peers.clone();
    let mut table = Table::read(&file.unwrap_or_else(|| Path::new(COMPARE).join("peers.toml")))?;
    table.keep_only(&options.only)?;
    let built = building::build_all(&table, options.no_build)?;
    let mut versions = Vec::new();
    let mut peers = Vec::new();
    for (peer, built) in table.peers.drain(..).zip(built) {
        match built {
            Ok(version) => {
                peers.push(peer);
                versions.push(version);
            }
            Err(reason) => results.missing.push(Missing {
                name: peer.name,
                reason,
            }),
        }
    }
    table.peers = peers;
    Ok((table, versions))
}

/// Writes the report beside the raw numbers.
fn report(results: &Results, out: &Path) -> io::Result<()> {
    std::fs::create_dir_all(out)?;
    report::write(results, out)?;
    println!("{}", std::fs::canonicalize(out.join("report.md"))?.display());
    Ok(())
}
