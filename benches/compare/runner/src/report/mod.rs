//! The report: Markdown with charts, made from the raw numbers and nothing else.

mod charts;
mod tables;

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::Path;

use crate::published;
use crate::results::Results;
use crate::run::FAILED;
use crate::scenario::{ALL, Load, Scenario};
use crate::verdict::{Outcome, judge};

const INTRODUCTION: &str = "\
All send the same 13 bytes. The server has one core, the load another one; everybody is started afresh for every
measurement, warmed up, and measured in alternation, in an order that turns with each round. Figures are medians of the
rounds, with the least and the greatest; ratios are medians of the rounds' ratios, since what weighs on one round weighs on
all that are measured in it.

What counts is the **CPU time that the server takes for each request**: it says what a core can do also where the load
generator is the first to have no more to give. It is the exact CPU-time clock of the process and its descendants, split
into user and system as the kernel's ticks are. Rows are sorted by it; those that lose are shown like those that win.
Requests per second are comparable only among rows that are not marked *client-bound*.

- **client-bound**: the load used 95 % of its core or more, and the server less: its requests/s are the load's.
- **disturbed**: something else used a tenth or more of the server's core, or of the load's: requests/s are too low, and
  CPU time per request may be too high.
- **limits** are bare loops that know no rule of HTTP: no limits, no timeouts, no framing. They are what is left when
  everything else is taken away.
";

const TWO_CORES: &str = "\
With two threads the server has two cores. On a machine with fewer than four, the load has to share one of them, which
takes from the server what the load uses: requests per second are then no measure of anything, and are left out here.
CPU time per request is, with the same load on one thread beside it: what it grows by is what a second thread costs.
";

const FIXED_RATE: &str = "\
Requests are made at fixed moments on 64 connections, whatever the answers do, and latency counts from the moment for which
a request was planned (an open loop: a stall is charged to every request that should have been made meanwhile). The rate is
the same for everybody. *Generator late* is by how much the generator itself missed its moments, in 99.9 % of the
requests: differences below it mean nothing.
";

const IDLE: &str = "\
Memory per connection is a slope between two numbers of connections that have each been served once. *Process* is what the
process and its descendants have resident (what is shared counts in parts). *Kernel* is the growth of slab, kernel stacks
and page tables, without the client's half, which was measured with pairs of bare sockets. *Resident* is all that is
resident after the first answer, shared pages included, once for each process.
";

/// Writes report.md and its charts into a directory.
///
/// # Errors
///
/// What the system says.
pub fn write(results: &Results, directory: &Path) -> io::Result<()> {
    let mut text = String::from("# Ringlane beside other servers\n\n");
    if let Some(chart) = charts::overview(results) {
        fs::write(directory.join("overview.svg"), chart)?;
        text += "![CPU time per request, the main scenarios](overview.svg)\n\n";
    }
    text += &tables::environment(results);
    text += &format!("\n{INTRODUCTION}\n## Verdict\n\n{}\n", verdict(results));
    text += &format!("## Who takes part\n\n{}\n", tables::participants(results));
    text += &missing(results);
    for measured in &results.scenarios {
        let Some(scenario) = Scenario::named(&measured.name) else {
            continue; // An older run's, which exists no more.
        };
        let _ = writeln!(text, "## {}\n", scenario.title);
        let time = match scenario.load {
            Load::Idle => String::new(),
            _ => format!(" of {} s", measured.seconds),
        };
        let rounds = if measured.rounds == 1 { "round" } else { "rounds" };
        let _ = writeln!(text, "`{}`, {} {rounds}{time}.\n", scenario.name, measured.rounds);
        // What two scenarios share is said once.
        for (number, paragraph) in section(results, scenario).trim_end().split("\n\n").enumerate() {
            if number > 0 || !text.contains(paragraph) {
                text += paragraph;
                text += "\n\n";
            }
        }
        if let Some(chart) = charts::scenario(results, scenario) {
            let file = format!("{}.svg", scenario.name);
            fs::write(directory.join(&file), chart)?;
            let _ = writeln!(text, "![{}]({file})\n", scenario.title);
        }
        text += &absences(results, scenario.name);
    }
    text += &published::section(results);
    fs::write(directory.join("report.md"), text)
}

fn section(results: &Results, scenario: &Scenario) -> String {
    match scenario.load {
        Load::Idle => format!("{IDLE}\n{}", tables::idle(results)),
        Load::FixedRate(share) => format!("{FIXED_RATE}\n{}", tables::latency(results, scenario.name, share)),
        Load::Wrk(_) | Load::Ab(_) if scenario.threads > 1 => {
            format!("{TWO_CORES}\n{}", tables::two_cores(results, scenario.name))
        }
        Load::Wrk(_) | Load::Ab(_) => tables::load(results, scenario.name),
    }
}

fn verdict(results: &Results) -> String {
    let mut text = String::from("| | what is promised | measured | |\n|--:|---|---|---|\n");
    let judgements = judge(results);
    for judgement in &judgements {
        let outcome = match judgement.outcome {
            Outcome::Passed => "passed",
            Outcome::Missed => "**MISSED**",
            Outcome::Unknown => "not measured",
        };
        let (criterion, promise, numbers) = (judgement.criterion, &judgement.promise, &judgement.numbers);
        let _ = writeln!(text, "| {criterion} | {promise} | {numbers} | {outcome} |");
    }
    let count = |outcome| {
        judgements
            .iter()
            .filter(|judgement| judgement.outcome == outcome)
            .count()
    };
    let _ = writeln!(
        text,
        "\n{} passed, {} missed, {} not measured.",
        count(Outcome::Passed),
        count(Outcome::Missed),
        count(Outcome::Unknown)
    );
    text
}

fn missing(results: &Results) -> String {
    let mut text = String::new();
    if !results.missing.is_empty() {
        text += "Missing:\n\n";
        for missing in &results.missing {
            let _ = writeln!(text, "- **{}**: {}", missing.name, missing.reason);
        }
        text.push('\n');
    }
    if !results.left_out.is_empty() {
        let names: Vec<String> = results.left_out.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "`--quick` left out {}.\n", names.join(", "));
    }
    let unmeasured: Vec<&str> = ALL
        .iter()
        .map(|scenario| scenario.name)
        .filter(|name| !results.left_out.iter().any(|left_out| left_out == name))
        .filter(|name| !results.scenarios.iter().any(|measured| measured.name == *name))
        .collect();
    if !unmeasured.is_empty() {
        let _ = writeln!(text, "Not asked for: {}.\n", unmeasured.join(", "));
    }
    text
}

/// Those who took no part in a scenario, and rounds that failed.
fn absences(results: &Results, scenario: &str) -> String {
    let mut text = String::new();
    for absence in results.absences.iter().filter(|absence| absence.scenario == scenario) {
        let verb = if absence.reason.starts_with(FAILED) {
            ""
        } else {
            "takes no part: "
        };
        let _ = writeln!(text, "- {} {verb}{}", absence.participant, absence.reason);
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::write;
    use crate::peers::Kind;
    use crate::results::{Absence, Measured, Missing};
    use crate::summary::examples::{add_idle, results};

    #[test]
    fn everybody_is_in_the_report_with_the_reason() {
        let mut results = results(
            "keep-alive-64",
            &[
                ("Ringlane", Kind::Ringlane, "Rust", 5_000.0),
                ("hyper", Kind::Peer, "Rust", 6_000.0),
            ],
        );
        add_idle(&mut results, "hyper", 1.0, 2.0, 3);
        results.samples[1].errors.push("socket errors: read 5".to_owned());
        results.scenarios = ["keep-alive-64", "memory", "latency-50", "two-cores"]
            .map(|name| Measured {
                name: name.to_owned(),
                rounds: 1,
                seconds: 2.0,
            })
            .to_vec();
        results.missing.push(Missing {
            name: "h2o".to_owned(),
            reason: "h2o is not on PATH".to_owned(),
        });
        results.absences.push(Absence {
            scenario: "memory".to_owned(),
            participant: "Ringlane".to_owned(),
            reason: "it is asleep".to_owned(),
        });
        let directory = std::env::temp_dir().join(format!("compare-report-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        write(&results, &directory).unwrap();
        let text = std::fs::read_to_string(directory.join("report.md")).unwrap();
        let has_charts = directory.join("overview.svg").exists() && directory.join("keep-alive-64.svg").exists();
        std::fs::remove_dir_all(&directory).unwrap();
        for part in [
            "h2o is not on PATH",
            "Ringlane takes no part: it is asleep",
            "read 5",
            "| 1.20 |",
            "Hyperlane",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert!(has_charts);
    }
}
