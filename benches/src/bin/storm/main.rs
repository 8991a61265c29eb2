//! A storm of valid and hostile clients at a server on all its cores, counted and judged.
//!
//! `storm [--seconds N] [--seed N] [--small]`: every valid request must get its exact answer, everybody else at least
//! well-formed HTTP; at the end the server must hold nothing, be no larger than it was, and stop when it is told to.

mod answers;
mod hostile;
mod judgement;
mod requests;
mod slow;
mod tally;
mod valid;
mod wire;

use std::io;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use ringlane_benches::child::{Child, Usage};
use ringlane_benches::random::Random;
use ringlane_benches::{exit, raise_descriptor_limit, served};

use hostile::Hostile;
use judgement::{Judgement, Sample};
use requests::Maker;
use slow::Slow;
use tally::Tally;
use valid::Valid;

/// The server's pooled buffers.
const BUFFER_BYTES: usize = 4096;
/// How many connections there are before the storm.
const WARM_UP: usize = 20;
/// How long the server is left alone, at the end, to see that it does nothing.
const QUIET: Duration = Duration::from_secs(2);
/// How often it is looked at while the storm lasts: so many times, and not more often than this.
const SAMPLES: u32 = 60;
const SAMPLE_EVERY_MIN: Duration = Duration::from_millis(250);
/// Descriptors for which there has to be room: each client is one or many connections.
const DESCRIPTORS: u64 = 2000;

/// Storms a server with valid and hostile clients, and judges it.
#[derive(Debug, Parser)]
struct Options {
    /// How long the storm lasts.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(4..=86_400))]
    seconds: u64,
    /// What the clients do follows from it, save for what depends on time. Without it, the clock chooses one.
    #[arg(long)]
    seed: Option<u64>,
    /// A server with little of everything, so that it meets all its limits.
    #[arg(long)]
    small: bool,
    /// The cores of the server.
    #[arg(long, default_value = "all")]
    cores: String,
    /// Valid clients.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=100))]
    valid: u32,
    /// Hostile clients.
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=100))]
    hostile: u32,
    /// Slow clients.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=1000))]
    slow: u32,
    /// Be the server.
    #[arg(long, hide = true)]
    serve: bool,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.serve {
        return exit(served::serve());
    }
    match storm(&options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => exit(Err(error)),
    }
}

/// The server's knobs: short times, so that who is slow is ended within the storm.
fn knobs(options: &Options) -> Vec<(&'static str, String)> {
    let mut knobs = vec![
        ("cores", &*options.cores),
        ("head_timeout", "2s"),
        ("idle_timeout", "5s"),
        ("body_timeout", "2s"),
        ("write_timeout", "3s"),
        ("close_timeout", "1s"),
        ("drain_timeout", "10s"),
    ];
    if options.small {
        knobs.extend([
            ("ring_entries", "64"),
            ("buffers_max", "64"),
            ("connections_max", "150"),
        ]);
    }
    knobs
        .into_iter()
        .map(|(name, value)| (name, value.to_owned()))
        .collect()
}

/// True where the server stood it.
fn storm(options: &Options) -> io::Result<bool> {
    if raise_descriptor_limit()? < DESCRIPTORS {
        return Err(io::Error::other(format!("raise ulimit -Hn to {DESCRIPTORS} at least")));
    }
    let seed = options.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_micros() as u64
    });
    let knobs = knobs(options);
    println!("storm of {} s with seed {seed}", options.seconds);
    println!(
        "knobs: {}",
        knobs
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect::<Vec<_>>()
            .join(" ")
    );
    let mut child = Child::start(&knobs)?;
    let tally = Tally::default();
    warm_up(&mut child, &tally)?;
    let descriptors = child.descriptors()?;

    let samples = rage(options, seed, &mut child, &tally)?;
    let mut judgement = Judgement::new(&tally, &samples);
    if child.is_running() {
        judgement.see_calm(&mut child, descriptors, QUIET)?;
    }
    judgement.see_end(child.terminate(Duration::from_secs(15)));
    Ok(judgement.print())
}

/// Has everything happened once that makes the process open descriptors.
fn warm_up(child: &mut Child, tally: &Tally) -> io::Result<()> {
    let mut valid = Valid {
        address: child.address,
        maker: Maker::new(Random::new(1, 0), 0, usize::MAX),
        tally,
        stop: &AtomicBool::new(false),
    };
    for _ in 0..WARM_UP {
        valid.connect();
    }
    child.wait_for_nothing(Duration::from_secs(10))?;
    Ok(())
}

/// The storm itself. Returns what the server looked like meanwhile.
fn rage(options: &Options, seed: u64, child: &mut Child, tally: &Tally) -> io::Result<Vec<Sample>> {
    let stop = &AtomicBool::new(false);
    let address = child.address;
    thread::scope(|scope| {
        let stop_at_end = StopOnDrop(stop);
        // With little memory, a head that is longer than a buffer need not be taken.
        let head_bytes_sure = if options.small { BUFFER_BYTES } else { usize::MAX };
        let mut client = 0;
        let mut maker = || {
            client += 1;
            Maker::new(Random::new(seed, client as u64), client, head_bytes_sure)
        };
        for _ in 0..options.valid {
            let valid = Valid {
                address,
                maker: maker(),
                tally,
                stop,
            };
            scope.spawn(|| valid.run());
        }
        for _ in 0..options.hostile {
            let hostile = Hostile {
                address,
                maker: maker(),
                tally,
                stop,
            };
            scope.spawn(|| hostile.run());
        }
        let (random, count) = (Random::new(seed, 0), options.slow as usize);
        let slow = Slow {
            address,
            random,
            count,
            tally,
            stop,
        };
        scope.spawn(|| slow.run());
        let samples = watch(child, Duration::from_secs(options.seconds), tally);
        drop(stop_at_end);
        samples
    })
}

/// Looks at the server from time to time.
fn watch(child: &mut Child, time: Duration, tally: &Tally) -> io::Result<Vec<Sample>> {
    let begin = Instant::now();
    let every = (time / SAMPLES).max(SAMPLE_EVERY_MIN);
    let mut samples = Vec::new();
    let mut next_line = time / 6;
    while begin.elapsed() < time && child.is_running() {
        thread::sleep(every.min(time.saturating_sub(begin.elapsed())));
        let usage = Usage::sum(&child.usage()?);
        let sample = Sample {
            at: begin.elapsed(),
            resident_kib: child.memory()?.all,
        };
        samples.push(sample);
        if sample.at >= next_line {
            next_line += time / 6;
            let counts = tally.counts();
            println!(
                "{:4} s: {} connections made, {} of {} valid requests exact, {} failures; {} KiB resident, {usage}",
                sample.at.as_secs(),
                counts.connections.values().sum::<u64>(),
                counts.exact,
                counts.sent,
                counts.failed(),
                sample.resident_kib,
            );
        }
    }
    Ok(samples)
}

/// Ends the clients, also where the server cannot be asked any more.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
