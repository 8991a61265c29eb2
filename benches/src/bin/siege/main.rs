//! Slow and greedy clients beside a good one, on one core of the server.
//!
//! `siege [--each N]`: N connections send their heads by the byte, N their bodies by the drop, and N ask for large
//! answers and read none, all at once. The good client must hardly notice, the server must end each of the others in
//! its time, and be what it was before when they are gone.

mod crowd;
mod good;

use std::io;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, iter};

use clap::Parser;
use core_affinity::CoreId;
use ringlane_benches::child::{Child, Usage};
use ringlane_benches::process::Memory;
use ringlane_benches::{exit, raise_descriptor_limit, served};

use crowd::{Crowd, Kind};
use good::{Latency, Phase};

/// How long the good client is alone, before and afterwards.
const ALONE: Duration = Duration::from_secs(5);
/// How much slower than alone the good client may be.
const SLOWDOWN_MAX: u32 = 2;
/// How much larger than before the server may be afterwards.
const GROWTH_PERCENT_MAX: u64 = 10;
/// How late the server may be beyond a quarter of the timeout: it looks from time to time, and so do the clients.
const LATE: Duration = Duration::from_secs(3);
/// How long the server may take to give back what it does not need.
const SETTLING: Duration = Duration::from_secs(3);
/// Descriptors that are not for the siege.
const RESERVED_DESCRIPTORS: u64 = 100;

/// Besieges a server with slow and greedy clients, and judges it.
#[derive(Debug, Parser)]
struct Options {
    /// How many there are of each kind of slow client.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    each: u32,
    /// The server's head_timeout, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    head: u64,
    /// The server's body_timeout, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    body: u64,
    /// The server's write_timeout, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    write: u64,
    /// The server's idle_timeout, in seconds.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=600))]
    idle: u64,
    /// Be the server.
    #[arg(long, hide = true)]
    serve: bool,
}

impl Options {
    /// By when the server must have ended a besieger.
    fn limit(&self, kind: Kind) -> Duration {
        let seconds = match kind {
            Kind::SlowHead => self.head,
            Kind::SlowBody => self.body,
            Kind::NeverReading => self.write,
        };
        Duration::from_secs(seconds) * 5 / 4 + LATE
    }

    fn last_limit(&self) -> Duration {
        Kind::ALL.iter().map(|kind| self.limit(*kind)).max().unwrap_or_default()
    }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.serve {
        return exit(served::serve());
    }
    match siege(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => exit(Err(error)),
    }
}

/// What was seen.
struct Seen {
    /// The good client's latency alone, during the siege, and afterwards.
    latencies: [Latency; 3],
    /// The server's memory when it was ready, after a warm-up, at the height of the siege, and afterwards.
    memories: [Memory; 4],
    /// What the server held at the height of the siege.
    height: Usage,
    /// What all of the machine's TCP sockets held in the kernel, in KiB, before and at the height of the siege.
    kernel_kib: [u64; 2],
    opening: Duration,
    crowd: Crowd,
    /// How long after the last client was gone it held nothing.
    nothing: Option<Duration>,
}

/// True where the server stood it.
fn siege(options: &Options) -> io::Result<bool> {
    let descriptors = u64::from(options.each) * Kind::ALL.len() as u64 + RESERVED_DESCRIPTORS;
    let allowed = raise_descriptor_limit()?;
    if allowed < descriptors {
        return Err(io::Error::other(format!(
            "the siege needs {descriptors} descriptors, {allowed} are allowed: raise ulimit -Hn, or lower --each"
        )));
    }
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    let (Some(&CoreId { id: first }), Some(&last)) = (cores.first(), cores.last()) else {
        return Err(io::Error::other("the cores of this machine could not be found out"));
    };
    println!("server on core {first}, clients on core {}", last.id);
    if first == last.id {
        println!("they share it: latencies say little");
    }
    let seconds = |seconds: u64| format!("{seconds}s");
    let mut child = Child::start(&[
        ("cores", first.to_string()),
        ("head_timeout", seconds(options.head)),
        ("body_timeout", seconds(options.body)),
        ("write_timeout", seconds(options.write)),
        ("idle_timeout", seconds(options.idle)),
    ])?;
    core_affinity::set_for_current(last); // After the child has inherited all of them.
    let seen = watch(options, &mut child)?;
    let ending = child.terminate(Duration::from_secs(20));
    print(&seen);
    let verdicts = judge(options, &seen);
    let ended_well = ending.status.is_some_and(|status| status.success()) && !ending.errors.contains("panicked");
    let how = match ending.status {
        Some(status) => status.to_string(),
        None => "it had to be killed".to_owned(),
    };
    let last = (
        "it ends well on SIGTERM".to_owned(),
        ended_well,
        format!("{how} {}", ending.errors),
    );
    let mut well = true;
    println!();
    for (what, holds, figures) in verdicts.into_iter().chain(iter::once(last)) {
        println!("{} {what}: {figures}", if holds { "ok    " } else { "FAILED" });
        well &= holds;
    }
    Ok(well)
}

/// The phases.
fn watch(options: &Options, child: &mut Child) -> io::Result<Seen> {
    let (address, each) = (child.address, options.each as usize);
    let ready = child.memory()?;
    // Tables and free lists grow with the number of connections, and keep their size: that is no leak, and must not look
    // like one. So there is a short siege first, which the besiegers give up by themselves.
    let mut crowd = Crowd::open(address, each)?;
    (0..crowd::STEPS).for_each(|step| crowd.step(step));
    drop(crowd);
    child.wait_for_nothing(options.last_limit())?;

    let phase = &Phase::new();
    thread::scope(|scope| {
        let end = EndOnDrop(phase);
        let good = scope.spawn(|| good::ask(address, phase));
        thread::sleep(SETTLING);
        phase.next();
        let warm = child.memory()?;
        let kernel_before = kernel_kib()?;
        thread::sleep(ALONE);
        let alone = phase.next();

        let begin = Instant::now();
        let mut crowd = Crowd::open(address, each)?;
        let opening = begin.elapsed();
        let (mut step, until) = (0, begin + options.last_limit() + opening);
        let mut height = None;
        while crowd.len() > 0 && Instant::now() < until {
            crowd.step(step);
            step += 1;
            // All are here, and none has been ended yet.
            if height.is_none() && begin.elapsed() > opening + Duration::from_secs(options.head) / 4 {
                height = Some((child.memory()?, Usage::sum(&child.usage()?), kernel_kib()?));
            }
        }
        let besieged = phase.next();
        let (memory, height, kernel) = height.unwrap_or((warm, Usage::default(), 0));
        thread::sleep(ALONE.max(SETTLING));
        let afterwards = phase.next();
        let memory_afterwards = child.memory()?;
        drop(end);
        good.join()
            .map_err(|_| io::Error::other("the good client panicked"))??;
        Ok(Seen {
            latencies: [alone, besieged, afterwards],
            memories: [ready, warm, memory, memory_afterwards],
            height,
            kernel_kib: [kernel_before, kernel],
            opening,
            crowd,
            nothing: child.wait_for_nothing(Duration::from_secs(5))?,
        })
    })
}

/// Has the good client end, also where something else went wrong.
struct EndOnDrop<'a>(&'a Phase);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What all TCP sockets of the machine hold (`mem` of /proc/net/sockstat, in pages).
fn kernel_kib() -> io::Result<u64> {
    let sockets = fs::read_to_string("/proc/net/sockstat")?;
    let line = sockets
        .lines()
        .find_map(|line| line.strip_prefix("TCP: "))
        .unwrap_or_default();
    let pages = line.split_whitespace().skip_while(|word| *word != "mem").nth(1);
    // SAFETY: the call takes a number and returns one.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64;
    Ok(pages.and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * page_bytes / 1024)
}

fn print(seen: &Seen) {
    println!("\n| good client | requests | median µs | p99 µs | max µs |\n|---|---|---|---|---|");
    for (phase, latency) in ["alone", "besieged", "afterwards"].iter().zip(&seen.latencies) {
        let Latency {
            requests,
            median,
            p99,
            max,
        } = latency;
        println!(
            "| {phase} | {requests} | {} | {} | {} |",
            median.as_micros(),
            p99.as_micros(),
            max.as_micros()
        );
    }
    println!("\n| ended by the server | connections | first after s | median | last |\n|---|---|---|---|---|");
    for (kind, lasted) in &seen.crowd.lasted {
        let mut lasted: Vec<f64> = lasted.iter().map(Duration::as_secs_f64).collect();
        lasted.sort_unstable_by(f64::total_cmp);
        let (count, name) = (lasted.len(), kind.name());
        println!(
            "| {name} | {count} | {:.1} | {:.1} | {:.1} |",
            lasted[0],
            lasted[count / 2],
            lasted[count - 1]
        );
    }
    println!("\n| server's memory | resident KiB | of its own KiB |\n|---|---|---|");
    for (when, memory) in ["ready", "after a warm-up", "besieged", "afterwards"]
        .iter()
        .zip(&seen.memories)
    {
        println!("| {when} | {} | {} |", memory.all, memory.anonymous);
    }
    println!(
        "\nopened in {:.1} s; besieged it holds {}",
        seen.opening.as_secs_f64(),
        seen.height
    );
    println!(
        "TCP buffers of the machine: {} KiB before, {} KiB besieged",
        seen.kernel_kib[0], seen.kernel_kib[1]
    );
    let told: Vec<String> = seen
        .crowd
        .statuses
        .iter()
        .map(|(status, count)| format!("{status} × {count}"))
        .collect();
    println!("told at the end (0 for nothing): {}", told.join(", "));
}

/// What was judged: what, whether it is well, and the figures.
fn judge(options: &Options, seen: &Seen) -> Vec<(String, bool, String)> {
    let [alone, besieged, _] = &seen.latencies;
    let mut verdicts = vec![(
        "the good client hardly notices".to_owned(),
        besieged.median < alone.median * SLOWDOWN_MAX && besieged.requests > 0,
        format!(
            "median {} µs instead of {} µs",
            besieged.median.as_micros(),
            alone.median.as_micros()
        ),
    )];
    for kind in Kind::ALL {
        let lasted = seen.crowd.lasted.get(&kind).map_or(&[][..], Vec::as_slice);
        let limit = options.limit(kind);
        let late = lasted.iter().filter(|lasted| **lasted > limit).count();
        let never = (options.each as usize).saturating_sub(lasted.len());
        verdicts.push((
            format!(
                "each {} connection is ended in {:.1} s",
                kind.name(),
                limit.as_secs_f64()
            ),
            late == 0 && never == 0,
            format!("{late} late, {never} never"),
        ));
    }
    let [_, before, _, after] = &seen.memories;
    verdicts.push((
        "resident memory is what it was".to_owned(),
        after.all <= before.all + before.all * GROWTH_PERCENT_MAX / 100,
        format!("{} KiB after a warm-up, {} KiB afterwards", before.all, after.all),
    ));
    verdicts.push((
        "it holds nothing in the end".to_owned(),
        seen.nothing.is_some(),
        match seen.nothing {
            Some(time) => format!("all is zero {:.1} s after the last client", time.as_secs_f64()),
            None => "it still holds something".to_owned(),
        },
    ));
    verdicts
}
