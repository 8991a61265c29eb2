//! One measurement: a participant freshly started, warmed up, put under load, looked at from outside, and ended.

use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::load::ab::Ab;
use crate::load::fixed::Fixed;
use crate::load::wrk::{Manner, Wrk};
use crate::load::{Count, run};
use crate::peers::Peer;
use crate::process::{Cpu, busy_seconds};
use crate::results::Sample;
use crate::scenario::{CONNECTIONS, Load, Scenario};
use crate::server::{Scratch, Server};
use crate::system::Cores;

/// How long the server may take to get over what came before.
const PAUSE: Duration = Duration::from_millis(30);

/// Where and for how long.
#[derive(Debug)]
pub struct Bench<'a> {
    /// Who runs where.
    pub cores: &'a Cores,
    /// Where the commands of peers.toml run.
    pub directory: &'a Path,
    /// For files.
    pub scratch: &'a Scratch,
    /// Whether everything is shorter.
    pub quick: bool,
    /// Before each measurement.
    pub warm_up: Duration,
    /// Of the scenarios with a fixed rate.
    pub fixed_seconds: f64,
}

impl Bench<'_> {
    /// Starts a participant.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub fn start(&self, peer: &Peer, threads: usize) -> io::Result<Server> {
        Server::start(peer, self.directory, self.cores.server(threads), self.scratch)
    }

    /// How long wrk or ab run.
    pub fn seconds(&self, scenario: &Scenario) -> u64 {
        if self.quick { 1 } else { scenario.seconds }
    }

    /// Measures a participant once. The capacity is what a fixed rate is a share of.
    ///
    /// # Errors
    ///
    /// Where the server fails, or the run is interrupted.
    pub fn measure(&self, scenario: &Scenario, peer: &Peer, capacity: f64) -> io::Result<Sample> {
        let mut server = self.start(peer, scenario.threads)?;
        let sample = match scenario.load {
            Load::Wrk(wrk) => self.measure_wrk(scenario, &server, wrk),
            Load::Ab(ab) => self.measure_ab(scenario, &server, ab),
            Load::FixedRate(share) => self.measure_fixed(scenario, &server, share * capacity),
            Load::Idle => Err(io::Error::other("this scenario has no load")),
        }?;
        if !server.is_running() {
            return Err(io::Error::other("the server ended"));
        }
        Ok(Sample {
            scenario: scenario.name.to_owned(),
            participant: peer.name.clone(),
            ..sample
        })
    }

    fn measure_wrk(&self, scenario: &Scenario, server: &Server, wrk: Wrk) -> io::Result<Sample> {
        let load_cores = self.cores.load(scenario.threads);
        self.warm_up(server, wrk)?;
        let seconds = self.seconds(scenario);
        self.watch(scenario, server, || {
            wrk.run(server.address, seconds, load_cores, self.scratch.path())
        })
    }

    fn measure_ab(&self, scenario: &Scenario, server: &Server, ab: Ab) -> io::Result<Sample> {
        let manner = if ab.keep_alive {
            Manner::KeepAlive
        } else {
            Manner::Close
        };
        let warm_up = Wrk {
            connections: ab.connections,
            path: "/",
            manner,
        };
        self.warm_up(server, warm_up)?;
        let load_cores = self.cores.load(scenario.threads);
        let seconds = self.seconds(scenario);
        self.watch(scenario, server, || ab.run(server.address, seconds, load_cores))
    }

    /// Has wrk run for a moment, and ends it.
    fn warm_up(&self, server: &Server, wrk: Wrk) -> io::Result<()> {
        let cores = self.cores.load(1);
        let command = wrk.command(server.address, 60, 1, self.scratch.path())?;
        run(command, cores, self.warm_up)?;
        thread::sleep(PAUSE);
        Ok(())
    }

    fn watch(
        &self,
        scenario: &Scenario,
        server: &Server,
        load: impl FnOnce() -> io::Result<(Count, f64)>,
    ) -> io::Result<Sample> {
        let cores = self.cores.server(scenario.threads);
        let load_cores = self.cores.load(scenario.threads);
        let before = (
            server.cpu(),
            busy_seconds(cores),
            busy_seconds(load_cores),
            Instant::now(),
        );
        let (count, load_share) = load()?;
        let elapsed = before.3.elapsed().as_secs_f64();
        let cpu = server.cpu() - before.0;
        // What is used of each side's cores, by whomever.
        let server_busy = (busy_seconds(cores) - before.1) / elapsed / cores.len() as f64;
        let load_busy = (busy_seconds(load_cores) - before.2) / elapsed / load_cores.len() as f64;
        let mut sample = sample(count.requests, cpu, elapsed, cores.len());
        sample.rate = count.rate;
        sample.errors = count.errors;
        sample.load_share = Some(load_share);
        if !cores.iter().any(|core| load_cores.contains(core)) {
            sample.foreign_share = (server_busy - sample.server_share).max(load_busy - load_share).max(0.0);
        }
        Ok(sample)
    }

    fn measure_fixed(&self, scenario: &Scenario, server: &Server, rate: f64) -> io::Result<Sample> {
        let plan = Fixed {
            rate,
            connections: CONNECTIONS,
            warm_up: self.warm_up,
            measured: Duration::from_secs_f64(self.fixed_seconds),
        };
        let mut latency = None;
        let mut sample = self.watch(scenario, server, || {
            let outcome = plan.run(server.address)?;
            latency = Some(outcome.latency);
            let count = Count {
                requests: outcome.answers,
                rate,
                errors: outcome.errors,
            };
            Ok((count, 1.0)) // It spins.
        })?;
        sample.latency = latency;
        sample.load_share = None;
        Ok(sample)
    }
}

fn sample(requests: u64, cpu: Cpu, elapsed: f64, cores: usize) -> Sample {
    let each = requests.max(1) as f64;
    Sample {
        requests,
        cpu: Cpu {
            user: cpu.user / each,
            system: cpu.system / each,
        },
        server_share: cpu.total() / 1e9 / elapsed / cores as f64,
        ..Sample::default()
    }
}

#[cfg(test)]
mod tests {
    use super::sample;
    use crate::process::Cpu;

    #[test]
    fn cpu_time_is_divided_by_requests_and_by_time() {
        let cpu = Cpu {
            user: 0.5e9,
            system: 1.0e9,
        };
        let sample = sample(1_000, cpu, 2.0, 1);
        assert_eq!((sample.cpu.user, sample.cpu.system), (0.5e6, 1.0e6));
        assert_eq!(sample.server_share, 0.75);
    }
}
