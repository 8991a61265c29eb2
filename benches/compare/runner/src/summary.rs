//! What the rounds of a scenario say about each participant.

use crate::peers::Kind;
use crate::process::Cpu;
use crate::results::{IdleSample, Participant, Results, Sample};
use crate::statistics::Spread;

/// From this share of its cores on, somebody has no more to give.
const EXHAUSTED: f64 = 0.95;
/// From this share of the cores on, something else has disturbed the measurement.
pub const DISTURBED: f64 = 0.10;

/// One participant in one scenario with load.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Who.
    pub participant: &'a Participant,
    /// Requests a second.
    pub rate: Spread,
    /// CPU time for each request in user mode, in nanoseconds.
    pub user: Spread,
    /// In the kernel.
    pub system: Spread,
    /// Both.
    pub total: Spread,
    /// How much of its cores the server used, in the median.
    pub server_share: f64,
    /// How much of its cores the load used, in the median. None where it spins.
    pub load_share: Option<f64>,
    /// How much of the server's cores, or of the load's, something else used, in the median.
    pub foreign_share: f64,
    /// CPU time for each request, with its round.
    pub costs: Vec<(u32, Cpu)>,
    /// What went wrong, each with its round.
    pub errors: Vec<String>,
    /// Microseconds, where the rate was fixed.
    pub latency: Option<Latencies>,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug)]
pub struct Latencies {
    /// Half of the requests.
    pub p50: Spread,
    /// 99 %.
    pub p99: Spread,
    /// 99.9 %.
    pub p999: Spread,
    /// The longest.
    pub max: Spread,
    /// How late the generator was.
    pub late: Spread,
}

impl Row<'_> {
    /// Whether the load generator, and not the server, set the rate.
    pub fn is_client_bound(&self) -> bool {
        self.load_share.is_some_and(|share| share >= EXHAUSTED) && self.server_share < EXHAUSTED
    }

    /// How many times another's CPU time this is, in the rounds that both have: what weighs on one round weighs on both.
    pub fn ratio_to(&self, other: &Row<'_>, of: fn(&Cpu) -> f64) -> Option<Spread> {
        let ratios = self.costs.iter().filter_map(|(round, cost)| {
            let (_, reference) = other.costs.iter().find(|(theirs, _)| theirs == round)?;
            Some(of(cost) / of(reference))
        });
        Spread::of(ratios)
    }

    /// Whether something else ran on their cores.
    pub fn is_disturbed(&self) -> bool {
        self.foreign_share >= DISTURBED
    }
}

/// Everybody who was measured in a scenario, the least CPU time first.
pub fn rows<'a>(results: &'a Results, scenario: &str) -> Vec<Row<'a>> {
    let of = |participant: &'a Participant| {
        let samples: Vec<&Sample> = results
            .samples
            .iter()
            .filter(|sample| sample.scenario == scenario && sample.participant == participant.name)
            .collect();
        row(participant, &samples)
    };
    let mut rows: Vec<Row<'_>> = results.participants.iter().filter_map(of).collect();
    rows.sort_by(|one, other| one.total.median.total_cmp(&other.total.median));
    rows
}

/// None where there was not one answer.
fn row<'a>(participant: &'a Participant, samples: &[&Sample]) -> Option<Row<'a>> {
    let answered: Vec<&Sample> = samples.iter().filter(|sample| sample.requests > 0).copied().collect();
    let spread = |value: &dyn Fn(&Sample) -> f64| Spread::of(answered.iter().map(|sample| value(sample)));
    let errors = samples.iter().flat_map(|sample| {
        let round = sample.round + 1;
        sample.errors.iter().map(move |error| format!("round {round}: {error}"))
    });
    let load_shares = answered.iter().filter_map(|sample| sample.load_share);
    let latency = |value: &dyn Fn(&crate::load::fixed::Latency) -> f64| {
        Spread::of(answered.iter().filter_map(|sample| sample.latency.as_ref()).map(value))
    };
    let latencies = || {
        Some(Latencies {
            p50: latency(&|latency| latency.p50)?,
            p99: latency(&|latency| latency.p99)?,
            p999: latency(&|latency| latency.p999)?,
            max: latency(&|latency| latency.max)?,
            late: latency(&|latency| latency.late)?,
        })
    };
    Some(Row {
        participant,
        rate: spread(&|sample| sample.rate)?,
        user: spread(&|sample| sample.cpu.user)?,
        system: spread(&|sample| sample.cpu.system)?,
        total: spread(&|sample| sample.cpu.total())?,
        server_share: spread(&|sample| sample.server_share)?.median,
        load_share: Spread::of(load_shares).map(|shares| shares.median),
        foreign_share: spread(&|sample| sample.foreign_share)?.median,
        costs: answered.iter().map(|sample| (sample.round, sample.cpu)).collect(),
        errors: errors.collect(),
        latency: latencies(),
    })
}

/// One participant without load.
#[derive(Clone, Debug)]
pub struct IdleRow<'a> {
    /// Who.
    pub participant: &'a Participant,
    /// Process memory for each connection, in bytes.
    pub process: Spread,
    /// The kernel's.
    pub kernel: Spread,
    /// Both.
    pub together: Spread,
    /// Resident memory at the start, in bytes.
    pub resident: Spread,
    /// Its proportional part.
    pub proportional: Spread,
    /// From exec to the first answer, in milliseconds.
    pub first_answer: Spread,
}

/// Everybody whose idle connections were measured, the smallest first.
pub fn idle_rows(results: &Results) -> Vec<IdleRow<'_>> {
    let of = |participant| idle_row(results, participant);
    let mut rows: Vec<IdleRow<'_>> = results.participants.iter().filter_map(of).collect();
    rows.sort_by(|one, other| one.together.median.total_cmp(&other.together.median));
    rows
}

fn idle_row<'a>(results: &'a Results, participant: &'a Participant) -> Option<IdleRow<'a>> {
    let its = |sample: &&IdleSample| sample.participant == participant.name;
    let spread = |value: &dyn Fn(&IdleSample) -> f64| Spread::of(results.idle.iter().filter(its).map(value));
    let samples = results.idle.iter().filter(its);
    let starts = samples.flat_map(|sample| sample.first_answer.iter().copied());
    Some(IdleRow {
        participant,
        process: spread(&|sample| sample.process)?,
        kernel: spread(&|sample| sample.kernel)?,
        together: spread(&|sample| sample.process + sample.kernel)?,
        resident: spread(&|sample| sample.at_start.resident as f64 * 1024.0)?,
        proportional: spread(&|sample| sample.at_start.proportional as f64 * 1024.0)?,
        first_answer: Spread::of(starts)?,
    })
}

/// The row of a name.
pub fn find<'r, 'a>(rows: &'r [Row<'a>], name: &str) -> Option<&'r Row<'a>> {
    rows.iter().find(|row| crate::peers::same(&row.participant.name, name))
}

/// The row of the server that the comparison is about.
pub fn ours<'r, 'a>(rows: &'r [Row<'a>]) -> Option<&'r Row<'a>> {
    rows.iter().find(|row| row.participant.kind == Kind::Ringlane)
}

/// The limit that takes the least CPU time.
pub fn better_limit<'r, 'a>(rows: &'r [Row<'a>]) -> Option<&'r Row<'a>> {
    rows.iter()
        .find(|row| row.participant.kind == Kind::Limit && row.errors.is_empty())
}

#[cfg(test)]
pub mod examples {
    //! Results to try arithmetic on.

    use crate::peers::Kind;
    use crate::process::{Cpu, Memory};
    use crate::results::{IdleSample, Participant, Results, Sample};

    /// Participants with a sample in one round of one scenario; user time is a tenth of the total.
    pub fn results(scenario: &str, totals: &[(&str, Kind, &str, f64)]) -> Results {
        let mut results = Results::default();
        add(&mut results, scenario, totals);
        results
    }

    /// Adds a round.
    pub fn add(results: &mut Results, scenario: &str, totals: &[(&str, Kind, &str, f64)]) {
        for (name, kind, language, total) in totals {
            if results.participants.iter().all(|participant| participant.name != *name) {
                results.participants.push(Participant {
                    name: (*name).to_owned(),
                    kind: *kind,
                    language: (*language).to_owned(),
                    version: "1.0.0".to_owned(),
                    settings: String::new(),
                    answer_bytes: 140,
                    answer_fields: 3,
                    answer_head: "HTTP/1.1 200 OK".to_owned(),
                });
            }
            let earlier = |sample: &&Sample| sample.scenario == scenario && sample.participant == *name;
            let round = results.samples.iter().filter(earlier).count() as u32;
            results.samples.push(Sample {
                scenario: scenario.to_owned(),
                participant: (*name).to_owned(),
                round,
                requests: 1_000,
                rate: 1e9 / total,
                cpu: Cpu {
                    user: total * 0.1,
                    system: total * 0.9,
                },
                ..Sample::default()
            });
        }
    }

    /// Adds a sample of idle connections.
    pub fn add_idle(results: &mut Results, name: &str, process: f64, kernel: f64, resident: u64) {
        results.idle.push(IdleSample {
            participant: name.to_owned(),
            round: 0,
            first_answer: vec![1.0],
            at_start: Memory {
                resident,
                ..Memory::default()
            },
            connections: 100,
            process,
            anonymous: process,
            kernel,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{better_limit, examples, find, ours, rows};
    use crate::peers::Kind;
    use crate::process::Cpu;

    #[test]
    fn rows_are_sorted_by_the_median_of_the_total() {
        let mut results = examples::results("s", &[("Ringlane", Kind::Ringlane, "Rust", 50.0)]);
        examples::add(
            &mut results,
            "s",
            &[("loop", Kind::Limit, "Rust", 40.0), ("a", Kind::Peer, "C", 90.0)],
        );
        examples::add(
            &mut results,
            "s",
            &[("a", Kind::Peer, "C", 10.0), ("a", Kind::Peer, "C", 45.0)],
        );
        examples::add(&mut results, "other", &[("b", Kind::Peer, "C", 1.0)]);
        let rows = rows(&results, "s");
        let names: Vec<&str> = rows.iter().map(|row| row.participant.name.as_str()).collect();
        assert_eq!(names, ["loop", "a", "Ringlane"]);
        let spread = find(&rows, "A").unwrap().total;
        assert_eq!((spread.min, spread.median, spread.max), (10.0, 45.0, 90.0));
        assert_eq!(ours(&rows).unwrap().total.median, 50.0);
        assert_eq!(better_limit(&rows).unwrap().participant.name, "loop");
    }

    #[test]
    fn ratios_are_those_of_the_rounds() {
        let mut results = examples::results("s", &[("Ringlane", Kind::Ringlane, "Rust", 10.0)]);
        examples::add(&mut results, "s", &[("Ringlane", Kind::Ringlane, "Rust", 300.0)]);
        examples::add(&mut results, "s", &[("Ringlane", Kind::Ringlane, "Rust", 40.0)]);
        for total in [5.0, 100.0] {
            examples::add(&mut results, "s", &[("a", Kind::Peer, "C", total)]);
        }
        let rows = rows(&results, "s");
        let (ringlane, a) = (ours(&rows).unwrap(), find(&rows, "a").unwrap());
        let ratio = ringlane.ratio_to(a, Cpu::total).unwrap();
        assert_eq!((ratio.min, ratio.median, ratio.max), (2.0, 2.5, 3.0));
        assert_eq!(a.ratio_to(ringlane, |cpu| cpu.user).unwrap().max, 0.5);
    }

    #[test]
    fn who_is_bound_by_the_client_is_told_from_who_has_no_more_to_give() {
        let results = examples::results("s", &[("a", Kind::Peer, "C", 10.0)]);
        let mut row = rows(&results, "s").remove(0);
        for (load, server, bound) in [(0.99, 0.5, true), (0.99, 0.99, false), (0.5, 0.5, false)] {
            (row.load_share, row.server_share) = (Some(load), server);
            assert_eq!(row.is_client_bound(), bound);
        }
    }
}
