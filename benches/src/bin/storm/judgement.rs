//! Whether the server stood the storm, and the report.

use std::io;
use std::thread;
use std::time::Duration;

use ringlane_benches::child::{Child, Ending, Usage};

use crate::tally::{Counts, Tally};

/// By when the server holds nothing once all clients are gone: its longest timeout, and some seconds.
const NOTHING_LIMIT: Duration = Duration::from_secs(15);
/// How much larger the server may be in the last quarter of the storm than in the second.
const GROWTH_PERCENT_MAX: u64 = 10;
const GROWTH_KIB_MAX: u64 = 6 * 1024;
/// How much CPU time of a quiet time may be used.
const QUIET_CPU_PERCENT_MAX: u32 = 5;

/// What the server looked like at a moment of the storm.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub at: Duration,
    pub resident_kib: u64,
}

pub struct Judgement<'a> {
    tally: &'a Tally,
    samples: &'a [Sample],
    /// What was judged: what, whether it is well, and the figures.
    verdicts: Vec<(&'static str, bool, String)>,
    lines: Vec<String>,
}

impl<'a> Judgement<'a> {
    pub fn new(tally: &'a Tally, samples: &'a [Sample]) -> Judgement<'a> {
        let mut judgement = Judgement {
            tally,
            samples,
            verdicts: Vec::new(),
            lines: Vec::new(),
        };
        let counts = tally.counts();
        judgement.add(
            "every valid request has its exact answer",
            counts.sent > 0 && counts.exact + counts.refused == counts.sent,
            format!(
                "{} sent, {} exact, {} wrong, {} missing, {} refused for want of memory",
                counts.sent, counts.exact, counts.wrong, counts.missing, counts.refused
            ),
        );
        judgement.add(
            "nothing else went wrong",
            counts.failed() == 0,
            format!("{} failures", counts.failed()),
        );
        drop(counts);
        judgement.see_growth();
        judgement
    }

    fn add(&mut self, what: &'static str, well: bool, figures: String) {
        self.verdicts.push((what, well, figures));
    }

    fn see_growth(&mut self) {
        let quarter = self.samples.len() / 4;
        let median = |samples: &[Sample]| {
            let mut sizes: Vec<u64> = samples.iter().map(|sample| sample.resident_kib).collect();
            sizes.sort_unstable();
            sizes.get(sizes.len() / 2).copied().unwrap_or(0)
        };
        let second = median(&self.samples[quarter..2 * quarter]);
        let last = median(&self.samples[3 * quarter..]);
        self.add(
            "resident memory is flat",
            quarter > 0 && last <= second + second * GROWTH_PERCENT_MAX / 100 + GROWTH_KIB_MAX,
            format!("median of the second quarter {second} KiB, of the last {last} KiB"),
        );
    }

    /// Looks at the server once all clients are gone.
    pub fn see_calm(&mut self, child: &mut Child, descriptors_before: usize, quiet: Duration) -> io::Result<()> {
        let (well, figures) = match child.wait_for_nothing(NOTHING_LIMIT)? {
            Some(time) => (
                true,
                format!("all is zero {:.1} s after the last client", time.as_secs_f64()),
            ),
            None => (false, format!("it holds {}", Usage::sum(&child.usage()?))),
        };
        self.add("it holds nothing in the end", well, figures);
        for (core, usage) in child.usage()?.iter().enumerate() {
            self.lines.push(format!("core {core} in the end: {usage}"));
        }
        // Closing sockets is asynchronous: the ring has been told, and the descriptor goes when it has got to it.
        thread::sleep(quiet / 2);
        let descriptors = child.descriptors()?;
        self.add(
            "all descriptors are closed",
            descriptors == descriptors_before,
            format!("{descriptors_before} before, {descriptors} after"),
        );
        let before = child.cpu_time()?;
        thread::sleep(quiet);
        let used = child.cpu_time()?.saturating_sub(before);
        self.add(
            "it does nothing when there is nothing to do",
            used <= quiet * QUIET_CPU_PERCENT_MAX / 100,
            format!("{} ms of CPU time in {} ms", used.as_millis(), quiet.as_millis()),
        );
        self.lines
            .push(format!("resident in the end: {} KiB", child.memory()?.all));
        Ok(())
    }

    /// Looks at how the server ended.
    pub fn see_end(&mut self, ending: Ending) {
        let Ending { status, errors } = ending;
        let figures = match status {
            Some(status) => status.to_string(),
            None => "it had to be killed".to_owned(),
        };
        self.add(
            "it ends well on SIGTERM",
            status.is_some_and(|status| status.success()),
            figures,
        );
        let panicked = errors.contains("panicked");
        self.add(
            "nothing panicked",
            !panicked,
            format!("{} bytes on standard error", errors.len()),
        );
        if !errors.is_empty() {
            self.lines.push(format!("it said: {}", errors.trim_end()));
        }
    }

    /// Prints everything. True where all is well.
    pub fn print(&self) -> bool {
        print_counts(&self.tally.counts());
        let sizes: Vec<String> = self
            .samples
            .iter()
            .map(|sample| sample.resident_kib.to_string())
            .collect();
        println!("\nresident KiB while it lasted: {}", sizes.join(" "));
        for line in &self.lines {
            println!("{line}");
        }
        println!();
        for (what, well, figures) in &self.verdicts {
            println!("{} {what}: {figures}", if *well { "ok    " } else { "FAILED" });
        }
        self.verdicts.iter().all(|(_, well, _)| *well)
    }
}

fn print_counts(counts: &Counts) {
    println!("\nconnections by kind of client");
    for (kind, count) in &counts.connections {
        println!("{count:8}  {kind}");
    }
    println!("\nanswers by status");
    for (status, count) in &counts.statuses {
        println!("{count:8}  {status}");
    }
    if counts.failed() > 0 {
        println!("\nfailures by kind");
    }
    for (what, count) in &counts.failures {
        println!("{count:8}  {what}");
    }
    for (number, told) in counts.told.iter().enumerate() {
        println!("\nfailure {}: {told}", number + 1);
    }
}
