//! What articles print, beside what was measured here.

use std::fmt::Write;

use crate::results::Results;
use crate::summary::{find, rows};
use crate::text::{duration, thousands};

/// A column of the published tables: its name, the scenarios here that are nearest to it, and requests a second.
type Column = (&'static str, &'static [&'static str], [f64; 7]);

/// As articles call them, and as peers.toml does.
const NAMES: [(&str, &str); 7] = [
    ("Tokio", "Tokio"),
    ("Hyperlane", "Hyperlane"),
    ("Rocket", "Rocket"),
    ("Rust std", "Rust std"),
    ("Gin", "Gin"),
    ("Go std", "Go net/http"),
    ("Node std", "Node"),
];

const COLUMNS: [Column; 4] = [
    (
        "wrk, keep-alive, 360 connections",
        &["keep-alive-360", "keep-alive-64"],
        [
            340_130.92, 334_888.27, 298_945.31, 291_218.96, 242_570.16, 234_178.93, 139_412.13,
        ],
    ),
    (
        "ab -k, 1,000 connections",
        &["ab-keep-alive-1000"],
        [
            308_596.26, 316_211.63, 267_931.52, 260_514.56, 224_296.16, 226_550.34, 85_357.18,
        ],
    ),
    (
        "wrk, Connection: close, 360 connections",
        &["close"],
        [
            49_555.87, 51_031.27, 49_345.76, 30_142.55, 40_149.75, 38_364.06, 28_286.96,
        ],
    ),
    (
        "ab, 1,000 connections",
        &["ab-close"],
        [
            51_825.13, 51_554.47, 49_621.02, 31_511.00, 47_081.05, 47_915.20, 44_763.11,
        ],
    ),
];

const INTRODUCTION: &str = "\
Articles about Hyperlane print these tables. By the benchmark's own notes: an i9-14900KF with 192 GB, client and server on
the same machine over loopback, no pinning, no warm-up, one run; `wrk -c360 -d60s URL`, the same with
`-H \"Connection: close\"`, `ab -n 1000000 -c 1000 -r -k URL`, the same without `-k`. The machines differ, so that only the
ratios can be compared: each figure is also given as a multiple of its column's Hyperlane.
";

const FLAWS: &str = "\
What is wrong with the published tables, and how it is here:

- Their answers differ in size (ab, keep-alive: Tokio 93 bytes, Hyperlane 107, Gin 145, Go 154, Rocket 271). Here the body is
  the same, and the bytes of each answer are shown.
- One contestant was built with link-time optimisation, the others without. Here all are built alike.
- The load generator sets the pace of the upper rows (two threads of wrk, the one of ab). Here its share of its core is
  shown, rows that it bounds are marked, and CPU time per request is compared, which it does not bound.
- The columns \"P99\" and \"connection setup time\" are mostly standard deviations that wrk and ab print. Here latency is
  measured at a fixed rate, from the moment for which a request was planned.
- Memory and CPU have no source (Hyperlane: 96 MB and 42 % CPU beside 334,888 requests/s; Tokio: 128 MB, 45 %; \"96 MB with
  one million concurrent connections\", which would be about 100 bytes for each; \"10–20 MB\", \"start < 1 s\", \"cold start
  < 100 ms\" in a table of microservices). Here memory per connection is a slope, with the kernel's part, and the time to the
  first answer is measured.
- One run, no spread. Here the median of alternating rounds, with the least and the greatest.
- Node's 85,357 requests/s with ab had 81.2 % errors. Here errors are counted and shown.
";

/// The section of the report.
pub fn section(results: &Results) -> String {
    let mut text = format!("## What articles print\n\n{INTRODUCTION}\n");
    for (title, scenarios, published) in &COLUMNS {
        // The nearest that was measured.
        let measured = scenarios.iter().find(|scenario| !rows(results, scenario).is_empty());
        let scenario = measured.unwrap_or(&scenarios[0]);
        let rows = rows(results, scenario);
        let reference = find(&rows, "Hyperlane").map(|row| row.rate.median);
        let _ = writeln!(
            text,
            "| {title}; here `{scenario}` | published requests/s | × Hyperlane | here requests/s | × Hyperlane | here CPU per request |\n\
             |---|--:|--:|--:|--:|--:|"
        );
        for ((theirs, name), rate) in NAMES.iter().zip(published) {
            let row = find(&rows, name);
            let measured = row.map_or("–".to_owned(), |row| thousands(row.rate.median));
            let ratio = row.zip(reference);
            let ratio = ratio.map_or("–".to_owned(), |(row, reference)| {
                format!("{:.2}", row.rate.median / reference)
            });
            let cpu = row.map_or("–".to_owned(), |row| duration(row.total.median));
            let published_ratio = rate / published[1];
            let rate = thousands(*rate);
            let _ = writeln!(
                text,
                "| {theirs} | {rate} | {published_ratio:.2} | {measured} | {ratio} | {cpu} |"
            );
        }
        if let Some(row) = crate::summary::ours(&rows) {
            let ratio = reference.map_or("–".to_owned(), |reference| {
                format!("{:.2}", row.rate.median / reference)
            });
            let (rate, cpu) = (thousands(row.rate.median), duration(row.total.median));
            let _ = writeln!(text, "| **Ringlane** | | | {rate} | {ratio} | {cpu} |");
        }
        text.push('\n');
    }
    text + FLAWS
}
