//! Which charts a report has, and what their bars show.

use crate::chart::{Bar, Chart, panels};
use crate::results::Results;
use crate::scenario::{Load, Scenario};
use crate::statistics::Spread;
use crate::summary::{Row, idle_rows, rows};
use crate::text::{bytes, duration};

/// The scenarios of the main chart.
const MAIN: [(&str, &str); 3] = [
    ("keep-alive-64", "keep-alive, 64 connections"),
    ("pipelined", "16 pipelined"),
    ("close", "a new connection each"),
];

/// The main chart. None where nothing of it was measured.
pub fn overview(results: &Results) -> Option<String> {
    let charts: Vec<Chart> = MAIN
        .iter()
        .map(|(scenario, title)| Chart {
            title: (*title).to_owned(),
            subtitle: String::new(),
            legend: vec!["user", "system"],
            bars: rows(results, scenario).iter().map(cpu_bar).collect(),
        })
        .filter(|chart| !chart.bars.is_empty())
        .collect();
    let subtitle =
        "one core, answers of 13 bytes; less is better; medians, with the least and the greatest of the rounds";
    (!charts.is_empty()).then(|| panels("The server's CPU time per request", subtitle, &charts))
}

/// The chart of a scenario. None where it has none, or nobody was measured.
pub fn scenario(results: &Results, scenario: &Scenario) -> Option<String> {
    if !scenario.has_chart {
        return None;
    }
    let chart = match scenario.load {
        Load::Idle => idle(results),
        Load::FixedRate(_) => latency(results, scenario),
        Load::Wrk(_) | Load::Ab(_) => Chart {
            title: scenario.title.to_owned(),
            subtitle: "the server's CPU time per request; less is better; medians, with the least and the greatest of the rounds"
                .to_owned(),
            legend: vec!["user", "system"],
            bars: rows(results, scenario.name).iter().map(cpu_bar).collect(),
        },
    };
    (!chart.bars.is_empty()).then(|| chart.svg())
}

fn cpu_bar(row: &Row<'_>) -> Bar {
    // The medians of the parts need not add up to the median of the whole, which is what counts.
    let whole = row.total.median;
    let share = row.user.median / (row.user.median + row.system.median).max(f64::MIN_POSITIVE);
    let errors = if row.errors.is_empty() { "" } else { " (errors)" };
    Bar {
        name: row.participant.name.clone(),
        kind: row.participant.kind,
        parts: vec![whole * share, whole * (1.0 - share)],
        label: format!("{}{errors}", duration(whole)),
        spread: range(row.total),
    }
}

/// None where there was one round only.
fn range(spread: Spread) -> Option<(f64, f64)> {
    (spread.min < spread.max).then_some((spread.min, spread.max))
}

fn idle(results: &Results) -> Chart {
    let bars = idle_rows(results).into_iter().map(|row| Bar {
        name: row.participant.name.clone(),
        kind: row.participant.kind,
        parts: vec![row.process.median, row.kernel.median],
        label: bytes(row.together.median),
        spread: range(row.together),
    });
    Chart {
        title: "Memory of an idle connection".to_owned(),
        subtitle: "process and kernel, for each connection; less is better".to_owned(),
        legend: vec!["process", "kernel"],
        bars: bars.collect(),
    }
}

fn latency(results: &Results, scenario: &Scenario) -> Chart {
    let rows = super::tables::by_p99(results, scenario.name);
    let bars = rows.iter().filter_map(|row| {
        let latency = row.latency?;
        let (p50, p99, p999) = (latency.p50.median, latency.p99.median, latency.p999.median);
        Some(Bar {
            name: row.participant.name.clone(),
            kind: row.participant.kind,
            parts: vec![p50, p99 - p50, p999 - p99],
            label: format!("{} / {}", duration(p99 * 1e3), duration(p999 * 1e3)),
            spread: None,
        })
    });
    Chart {
        title: scenario.title.to_owned(),
        subtitle: "from the moment for which a request was planned; less is better; at the end p99 / p99.9".to_owned(),
        legend: vec!["p50", "p99", "p99.9"],
        bars: bars.collect(),
    }
}
