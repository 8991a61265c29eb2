//! The tables of the report.

use std::fmt::Write;

use crate::peers::Kind;
use crate::process::Cpu;
use crate::results::{Participant, Results};
use crate::statistics::Spread;
use crate::summary::{DISTURBED, Row, better_limit, find, idle_rows, ours, rows};
use crate::text::{bytes, percent, thousands};

/// What the run was made on and with.
pub fn environment(results: &Results) -> String {
    let mut text = String::from("| | |\n|---|---|\n");
    for fact in &results.environment {
        let _ = writeln!(text, "| {} | {} |", fact.name, fact.value);
    }
    let disturbed = results
        .samples
        .iter()
        .filter(|sample| sample.foreign_share >= DISTURBED);
    let _ = writeln!(
        text,
        "| measurements that something else on the machine disturbed | {} of {} |",
        disturbed.count(),
        results.samples.len()
    );
    let kind = if results.quick { "`--quick`" } else { "full" };
    let _ = writeln!(
        text,
        "| run | {kind}, {:.0} minutes without builds |",
        results.duration_seconds / 60.0
    );
    text
}

/// Who took part, and what each of them answers.
pub fn participants(results: &Results) -> String {
    let mut text = String::from(
        "| | version | language | bytes of GET / | header fields | settings |\n|---|---|---|--:|--:|---|\n",
    );
    for participant in &results.participants {
        let Participant {
            version,
            language,
            settings,
            answer_bytes,
            answer_fields,
            ..
        } = participant;
        let name = name(participant);
        let _ = writeln!(
            text,
            "| {name} | {version} | {language} | {answer_bytes} | {answer_fields} | {settings} |"
        );
    }
    text
}

/// A name as tables write it.
fn name(participant: &Participant) -> String {
    match participant.kind {
        Kind::Ringlane => format!("**{}**", participant.name),
        Kind::Peer | Kind::Variant => participant.name.clone(),
        Kind::Limit => format!("*{}* (limit)", participant.name),
    }
}

/// Everybody in a scenario with load.
pub fn load(results: &Results, scenario: &str) -> String {
    let rows = rows(results, scenario);
    let mut text = String::from(
        "| | version | requests/s | user ns | system ns | **total ns** | min to max | × Ringlane | × better limit | bytes of GET / \
         | server's core | load's core | |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for row in &rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | **{}** | {} | {} | {} | {} | {} | {} | {} |",
            name(row.participant),
            row.participant.version,
            thousands(row.rate.median),
            thousands(row.user.median),
            thousands(row.system.median),
            thousands(row.total.median),
            range(row.total, thousands),
            times(row, ours(&rows)),
            times(row, better_limit(&rows)),
            row.participant.answer_bytes,
            percent(row.server_share),
            row.load_share.map_or("–".to_owned(), percent),
            marks(row),
        );
    }
    text + "\n" + &errors(&rows)
}

/// Two threads, beside one.
pub fn two_cores(results: &Results, scenario: &str) -> String {
    let (two, one) = (rows(results, scenario), rows(results, "keep-alive-64"));
    let is_shared = results.shared_cores > 0;
    let mut text = String::from(
        "| | version | requests/s | user ns | system ns | **total ns** | min to max | with one thread | two × one | |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|---|\n",
    );
    for row in &two {
        let alone = find(&one, &row.participant.name).map(|row| row.total);
        let rate = if is_shared {
            "–".to_owned()
        } else {
            thousands(row.rate.median)
        };
        let _ = writeln!(
            text,
            "| {} | {} | {rate} | {} | {} | **{}** | {} | {} | {} | {} |",
            name(row.participant),
            row.participant.version,
            thousands(row.user.median),
            thousands(row.system.median),
            thousands(row.total.median),
            range(row.total, thousands),
            alone.map_or("–".to_owned(), |total| thousands(total.median)),
            ratio(row.total, alone),
            if row.errors.is_empty() { "" } else { "errors" },
        );
    }
    let sharing = match results.shared_cores {
        0 => "The load had cores of its own.",
        _ => "In this run the load shared a core with the server.",
    };
    format!("{text}\n{sharing}\n\n{}", errors(&two))
}

/// Everybody at a fixed rate, by their 99th percentile.
pub fn latency(results: &Results, scenario: &str, share: f64) -> String {
    let mut text = String::new();
    if let Some(capacity) = &results.capacity {
        let (rate, of) = (thousands(capacity.rate * share), &capacity.of);
        let _ = writeln!(
            text,
            "{rate} requests/s: {} of {of}'s {}.\n",
            percent(share),
            thousands(capacity.rate)
        );
    }
    text += "| | version | p50 µs | p99 µs | min to max | p99.9 µs | min to max | longest µs | total CPU ns | generator late µs | |\n\
             |---|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n";
    let rows = by_p99(results, scenario);
    for row in &rows {
        let Some(latency) = row.latency else {
            continue;
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | **{}** | {} | **{}** | {} | {} | {} | {} | {} |",
            name(row.participant),
            row.participant.version,
            thousands(latency.p50.median),
            thousands(latency.p99.median),
            range(latency.p99, thousands),
            thousands(latency.p999.median),
            range(latency.p999, thousands),
            thousands(latency.max.max),
            thousands(row.total.median),
            thousands(latency.late.median),
            marks(row),
        );
    }
    text + "\n" + &errors(&rows)
}

/// Rows with latencies, the lowest 99th percentile first.
pub fn by_p99<'a>(results: &'a Results, scenario: &str) -> Vec<Row<'a>> {
    let mut rows = rows(results, scenario);
    rows.retain(|row| row.latency.is_some());
    let p99 = |row: &Row<'_>| row.latency.map_or(f64::INFINITY, |latency| latency.p99.median);
    rows.sort_by(|one, other| p99(one).total_cmp(&p99(other)));
    rows
}

/// Everybody without load.
pub fn idle(results: &Results) -> String {
    let rows = idle_rows(results);
    let ours = rows
        .iter()
        .find(|row| row.participant.kind == Kind::Ringlane)
        .map(|row| row.together);
    let mut text = String::from(
        "| | version | process | kernel | **together** | min to max | × Ringlane | resident at start | proportional | exec to first \
         answer | min to max |\n|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in &rows {
        let milliseconds = |number: f64| format!("{number:.1}");
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | **{}** | {} | {} | {} | {} | {} ms | {} |",
            name(row.participant),
            row.participant.version,
            bytes(row.process.median),
            bytes(row.kernel.median),
            bytes(row.together.median),
            range(row.together, bytes),
            ratio(row.together, ours),
            bytes(row.resident.median),
            bytes(row.proportional.median),
            milliseconds(row.first_answer.median),
            range(row.first_answer, milliseconds),
        );
    }
    if let Some(sample) = results.idle.first() {
        let half = results.client_half.map_or("–".to_owned(), bytes);
        let many = thousands(sample.connections as f64);
        let _ = writeln!(
            text,
            "\nUp to {many} connections. The client's half, taken off: {half}."
        );
    }
    text + "\n"
}

fn range(spread: Spread, write: impl Fn(f64) -> String) -> String {
    if spread.min < spread.max {
        format!("{} to {}", write(spread.min), write(spread.max))
    } else {
        "–".to_owned()
    }
}

fn ratio(value: Spread, reference: Option<Spread>) -> String {
    reference.map_or("–".to_owned(), |reference| {
        format!("{:.2}", value.median / reference.median)
    })
}

/// How many times another's CPU time it takes, in the rounds that both have.
fn times(row: &Row<'_>, reference: Option<&Row<'_>>) -> String {
    let ratio = reference.and_then(|reference| row.ratio_to(reference, Cpu::total));
    ratio.map_or("–".to_owned(), |ratio| format!("{:.2}", ratio.median))
}

fn marks(row: &Row<'_>) -> String {
    let mut marks = Vec::new();
    if row.is_client_bound() {
        marks.push("client-bound".to_owned());
    }
    if row.is_disturbed() {
        marks.push(format!("disturbed ({})", percent(row.foreign_share)));
    }
    if !row.errors.is_empty() {
        marks.push("**errors**".to_owned());
    }
    marks.join(", ")
}

/// What went wrong with whom: the first three, and how many there are.
fn errors(rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| !row.errors.is_empty()) {
        let more = match row.errors.len() {
            ..=3 => String::new(),
            all => format!("; {} in all", all),
        };
        let first: Vec<&str> = row.errors.iter().take(3).map(String::as_str).collect();
        let _ = writeln!(text, "- errors of {}: {}{more}", row.participant.name, first.join("; "));
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{range, ratio};
    use crate::statistics::Spread;
    use crate::text::thousands;

    #[test]
    fn one_round_has_no_range_and_nothing_has_no_ratio() {
        let one = Spread::of([2_000.0]).unwrap();
        let two = Spread::of([1_000.0, 3_000.0]).unwrap();
        assert_eq!(range(one, thousands), "–");
        assert_eq!(range(two, thousands), "1,000 to 3,000");
        assert_eq!(
            (ratio(one, None).as_str(), ratio(one, Some(two)).as_str()),
            ("–", "1.00")
        );
    }
}
