//! What the design promises, held against the run.

use std::fmt::Write;

use crate::peers::{Kind, same};
use crate::process::Cpu;
use crate::results::Results;
use crate::statistics::Spread;
use crate::summary::{IdleRow, Row, find, idle_rows, ours, rows};
use crate::text::{bytes, duration};

/// Whether a promise is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is.
    Passed,
    /// It is not.
    Missed,
    /// Somebody or something that it is about was not measured.
    Unknown,
}

/// One thing that is promised.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// The number of the criterion.
    pub criterion: u32,
    /// What is promised.
    pub promise: String,
    /// The numbers.
    pub numbers: String,
    /// Whether it is kept.
    pub outcome: Outcome,
}

/// One of a row's latencies. None where it has none.
type Percentile = fn(&Row<'_>) -> Option<Spread>;

/// All promises, in their order.
pub fn judge(results: &Results) -> Vec<Judgement> {
    let mut all = Vec::new();
    keep_alive(&rows(results, "keep-alive-64"), &mut all);
    pipelined(&rows(results, "pipelined"), &mut all);
    close(&rows(results, "close"), &mut all);
    memory(&idle_rows(results), &mut all);
    for scenario in ["latency-50", "latency-80"] {
        latency(scenario, &rows(results, scenario), &mut all);
    }
    for (scenario, what) in [
        ("large-16k", "responses of 16 KB"),
        ("large-1m", "responses of 1 MB"),
        ("bodies", "request bodies of 16 KB"),
    ] {
        best_rust_peer(what, &rows(results, scenario), &mut all);
    }
    all
}

fn keep_alive(rows: &[Row<'_>], all: &mut Vec<Judgement>) {
    let hyper = find(rows, "hyper");
    all.push(against(
        1,
        "keep-alive: total ≤ 0.88 × hyper's",
        rows,
        hyper,
        0.88,
        Cpu::total,
    ));
    all.push(below_every_peer(1, "keep-alive", rows));
    let limit = closest(rows, is_limit);
    all.push(against(
        1,
        "keep-alive: total ≤ 1.08 × the better limit's",
        rows,
        limit,
        1.08,
        Cpu::total,
    ));
    let ringloop = find(rows, "ringloop");
    all.push(against(
        1,
        "keep-alive: user ≤ 1.6 × ringloop's",
        rows,
        ringloop,
        1.6,
        |cpu| cpu.user,
    ));
}

fn pipelined(rows: &[Row<'_>], all: &mut Vec<Judgement>) {
    all.push(below(2, "pipelined", rows, "may_minihttp"));
    all.push(below_every_peer(2, "pipelined", rows));
    let limit = closest(rows, is_limit);
    all.push(against(
        2,
        "pipelined: total ≤ 1.2 × the better limit's",
        rows,
        limit,
        1.2,
        Cpu::total,
    ));
}

fn close(rows: &[Row<'_>], all: &mut Vec<Judgement>) {
    all.push(below_every_peer(3, "new connections", rows));
    all.push(below(3, "new connections", rows, "nginx"));
    all.push(below(3, "new connections", rows, "h2o"));
}

fn memory(rows: &[IdleRow<'_>], all: &mut Vec<Judgement>) {
    let ours = rows.iter().find(|row| row.participant.kind == Kind::Ringlane);
    let hyper = rows.iter().find(|row| same(&row.participant.name, "hyper"));
    let at_most = |promise: &str, value: Option<f64>, bound: f64| {
        let numbers = value.map(|value| (format!("{} ≤ {}", bytes(value), bytes(bound)), value <= bound));
        judgement(4, promise, numbers)
    };
    all.push(at_most(
        "idle connection: process memory ≤ 128 bytes",
        ours.map(|row| row.process.median),
        128.0,
    ));
    let both = ours.zip(hyper).map(|(ours, hyper)| {
        let (ours, hyper) = (ours.together.median, hyper.together.median);
        let numbers = format!("{} < 0.5 × {} = {}", bytes(ours), bytes(hyper), bytes(hyper / 2.0));
        (numbers, ours < hyper / 2.0)
    });
    all.push(judgement(
        4,
        "idle connection: process and kernel < half of hyper's",
        both,
    ));
    all.push(at_most(
        "at the start: resident ≤ 6 MB",
        ours.map(|row| row.resident.median),
        6e6,
    ));
}

fn latency(scenario: &str, rows: &[Row<'_>], all: &mut Vec<Judgement>) {
    let percentiles: [(&str, Percentile); 2] = [
        ("p99", |row| Some(row.latency?.p99)),
        ("p99.9", |row| Some(row.latency?.p999)),
    ];
    for (name, of) in percentiles {
        let peers = rows.iter().filter(|row| is_peer(row));
        let best = peers
            .filter_map(|row| Some((row, of(row)?)))
            .min_by(|one, other| one.1.median.total_cmp(&other.1.median));
        let both = ours(rows).and_then(|row| Some((row, of(row)?))).zip(best);
        let numbers = both.map(|((row, ours), (peer, best))| {
            let name = &peer.participant.name;
            let text = format!("{}, {name}'s {}", with_range(ours, 1e3), with_range(best, 1e3));
            with_errors(row, text, ours.median <= best.max)
        });
        let promise = format!("{scenario}: {name} within the best peer's spread or below");
        all.push(judgement(5, &promise, numbers));
    }
}

fn best_rust_peer(what: &str, rows: &[Row<'_>], all: &mut Vec<Judgement>) {
    let best = closest(rows, |row| is_peer(row) && row.participant.language == "Rust");
    let promise = format!("{what}: total ≤ the best Rust peer's");
    all.push(against(6, &promise, rows, best, 1.0, Cpu::total));
}

/// The one of those that count that ours compares worst with, round by round.
fn closest<'r, 'a>(rows: &'r [Row<'a>], counts: impl Fn(&Row<'_>) -> bool) -> Option<&'r Row<'a>> {
    let ours = ours(rows)?;
    let ratio = |row: &'r Row<'a>| Some((row, ours.ratio_to(row, Cpu::total)?.median));
    let ratios = rows.iter().filter(|row| counts(row)).filter_map(ratio);
    let closest = ratios.max_by(|one, other| one.1.total_cmp(&other.1));
    closest.map(|(row, _)| row)
}

/// A peer that nothing went wrong with.
fn is_peer(row: &Row<'_>) -> bool {
    row.participant.kind == Kind::Peer && row.errors.is_empty()
}

/// A limit that nothing went wrong with.
fn is_limit(row: &Row<'_>) -> bool {
    row.participant.kind == Kind::Limit && row.errors.is_empty()
}

/// Ours is at most so many times another's.
fn against(
    criterion: u32,
    promise: &str,
    rows: &[Row<'_>],
    other: Option<&Row<'_>>,
    factor: f64,
    of: fn(&Cpu) -> f64,
) -> Judgement {
    let numbers = held_against(rows, other, of).map(|(row, text, ratio)| with_errors(row, text, ratio <= factor));
    judgement(criterion, promise, numbers)
}

/// Ours is below a peer's.
fn below(criterion: u32, what: &str, rows: &[Row<'_>], name: &str) -> Judgement {
    let peer = find(rows, name).filter(|row| row.errors.is_empty());
    let numbers = held_against(rows, peer, Cpu::total).map(|(row, text, ratio)| with_errors(row, text, ratio < 1.0));
    judgement(criterion, &format!("{what}: total below {name}'s"), numbers)
}

/// Ours is below those of all that nothing went wrong with.
fn below_every_peer(criterion: u32, what: &str, rows: &[Row<'_>]) -> Judgement {
    let best = closest(rows, is_peer);
    let numbers = held_against(rows, best, Cpu::total).map(|(row, mut text, ratio)| {
        let _ = write!(text, "; the best of {}", rows.iter().filter(|row| is_peer(row)).count());
        let faulty = |row: &&Row<'_>| row.participant.kind == Kind::Peer && !row.errors.is_empty();
        let faulty = rows.iter().filter(faulty);
        let left_out: Vec<&str> = faulty.map(|row| row.participant.name.as_str()).collect();
        if !left_out.is_empty() {
            let _ = write!(text, "; not counted, for their errors: {}", left_out.join(", "));
        }
        with_errors(row, text, ratio < 1.0)
    });
    judgement(criterion, &format!("{what}: total below every peer's"), numbers)
}

/// Our row, both numbers with the ratio of each round, and the median of those.
fn held_against<'r, 'a>(
    rows: &'r [Row<'a>],
    other: Option<&Row<'_>>,
    of: fn(&Cpu) -> f64,
) -> Option<(&'r Row<'a>, String, f64)> {
    let (row, other) = (ours(rows)?, other?);
    let ratio = row.ratio_to(other, of)?;
    let median = |row: &Row<'_>| Spread::of(row.costs.iter().map(|(_, cost)| of(cost))).map(|spread| spread.median);
    let mut text = format!(
        "{:.2} × {}'s: {} and {}",
        ratio.median,
        other.participant.name,
        duration(median(row)?),
        duration(median(other)?),
    );
    if ratio.min < ratio.max {
        let _ = write!(text, "; {:.2} to {:.2} in the rounds", ratio.min, ratio.max);
    }
    Some((row, text, ratio.median))
}

/// Medians of times in so many nanoseconds; with the least and the greatest, where there are several.
fn with_range(spread: Spread, unit: f64) -> String {
    let median = duration(spread.median * unit);
    if spread.min < spread.max {
        let (min, max) = (duration(spread.min * unit), duration(spread.max * unit));
        format!("{median} ({min} to {max})")
    } else {
        median
    }
}

/// Nothing is passed with errors.
fn with_errors(ours: &Row<'_>, text: String, is_kept: bool) -> (String, bool) {
    match ours.errors.first() {
        None => (text, is_kept),
        Some(error) => (format!("{text}; with errors: {error}"), false),
    }
}

fn judgement(criterion: u32, promise: &str, numbers: Option<(String, bool)>) -> Judgement {
    let (numbers, outcome) = match numbers {
        Some((numbers, true)) => (numbers, Outcome::Passed),
        Some((numbers, false)) => (numbers, Outcome::Missed),
        None => ("–".to_owned(), Outcome::Unknown),
    };
    Judgement {
        criterion,
        promise: promise.to_owned(),
        numbers,
        outcome,
    }
}

#[cfg(test)]
mod tests {
    use super::{Judgement, Outcome, judge};
    use crate::load::fixed::Latency;
    use crate::peers::Kind;
    use crate::results::Results;
    use crate::summary::examples::{add, add_idle, results};

    fn outcome(results: &Results, promise: &str) -> Outcome {
        let judgements: Vec<Judgement> = judge(results);
        let found: Vec<&Judgement> = judgements
            .iter()
            .filter(|judgement| judgement.promise.contains(promise))
            .collect();
        assert_eq!(found.len(), 1, "{promise}");
        found[0].outcome
    }

    #[test]
    fn what_was_not_measured_is_unknown() {
        let judgements = judge(&Results::default());
        assert!(judgements.iter().all(|judgement| judgement.outcome == Outcome::Unknown));
        assert_eq!(judgements.last().unwrap().criterion, 6);
    }

    #[test]
    fn keep_alive_is_held_against_hyper_and_the_better_limit() {
        let with = |ours| {
            results(
                "keep-alive-64",
                &[
                    ("Ringlane", Kind::Ringlane, "Rust", ours),
                    ("hyper", Kind::Peer, "Rust", 100.0),
                    ("nginx", Kind::Peer, "C", 95.0),
                    ("ringloop", Kind::Limit, "Rust", 80.0),
                    ("epollloop", Kind::Limit, "Rust", 90.0),
                ],
            )
        };
        let good = with(86.0);
        assert_eq!(outcome(&good, "0.88 × hyper"), Outcome::Passed);
        assert_eq!(outcome(&good, "keep-alive: total below every"), Outcome::Passed);
        assert_eq!(outcome(&good, "1.08 × the better limit"), Outcome::Passed);
        assert_eq!(outcome(&good, "1.6 × ringloop"), Outcome::Passed);
        let worse = with(96.0);
        assert_eq!(outcome(&worse, "0.88 × hyper"), Outcome::Missed);
        assert_eq!(outcome(&worse, "keep-alive: total below every"), Outcome::Missed);
        assert_eq!(outcome(&worse, "1.08 × the better limit"), Outcome::Missed);
        assert_eq!(outcome(&with(130.0), "1.6 × ringloop"), Outcome::Missed);
    }

    #[test]
    fn a_peer_with_errors_is_not_beaten_and_beats_nobody() {
        let peers = [
            ("Ringlane", Kind::Ringlane, "Rust", 50.0),
            ("nginx", Kind::Peer, "C", 40.0),
        ];
        let mut results = results("close", &peers);
        add(&mut results, "close", &[("h2o", Kind::Peer, "C", 60.0)]);
        assert_eq!(outcome(&results, "new connections: total below every"), Outcome::Missed);
        results.samples[1].errors.push("socket errors: read 5".to_owned());
        assert_eq!(outcome(&results, "new connections: total below every"), Outcome::Passed);
        assert_eq!(outcome(&results, "below nginx"), Outcome::Unknown);
        assert_eq!(outcome(&results, "below h2o"), Outcome::Passed);
        results.samples[0].errors.push("socket errors: read 5".to_owned());
        assert_eq!(outcome(&results, "below h2o"), Outcome::Missed);
    }

    #[test]
    fn memory_is_process_and_kernel_together() {
        let mut results = results(
            "x",
            &[
                ("Ringlane", Kind::Ringlane, "Rust", 1.0),
                ("hyper", Kind::Peer, "Rust", 1.0),
            ],
        );
        add_idle(&mut results, "Ringlane", 100.0, 3_000.0, 5_000);
        add_idle(&mut results, "hyper", 3_000.0, 3_300.0, 3_000);
        assert_eq!(outcome(&results, "128 bytes"), Outcome::Passed);
        assert_eq!(outcome(&results, "half of hyper"), Outcome::Passed);
        assert_eq!(outcome(&results, "6 MB"), Outcome::Passed);
        results.idle[0].kernel = 3_100.0;
        results.idle[0].at_start.resident = 6_000;
        assert_eq!(outcome(&results, "half of hyper"), Outcome::Missed);
        assert_eq!(outcome(&results, "6 MB"), Outcome::Missed);
    }

    #[test]
    fn latency_may_lie_within_the_best_peers_spread() {
        let mut results = Results::default();
        let of = |p99| Latency {
            p50: 1.0,
            p99,
            p999: p99,
            max: p99,
            late: 0.0,
        };
        for (name, kind, p99) in [
            ("Ringlane", Kind::Ringlane, 130.0),
            ("a", Kind::Peer, 100.0),
            ("a", Kind::Peer, 140.0),
            ("a", Kind::Peer, 101.0),
        ] {
            add(&mut results, "latency-50", &[(name, kind, "Rust", 1.0)]);
            results.samples.last_mut().unwrap().latency = Some(of(p99));
        }
        assert_eq!(outcome(&results, "latency-50: p99 within"), Outcome::Passed);
        results.samples[0].latency = Some(of(141.0));
        assert_eq!(outcome(&results, "latency-50: p99 within"), Outcome::Missed);
    }

    #[test]
    fn only_rust_peers_count_for_large_responses() {
        let results = results(
            "large-1m",
            &[
                ("nginx", Kind::Peer, "C", 10.0),
                ("Ringlane", Kind::Ringlane, "Rust", 50.0),
                ("hyper", Kind::Peer, "Rust", 50.0),
            ],
        );
        assert_eq!(outcome(&results, "responses of 1 MB"), Outcome::Passed);
        assert_eq!(outcome(&results, "responses of 16 KB"), Outcome::Unknown);
    }
}
