//! A run: everybody, in all scenarios, round by round, in an order that turns with each round.

use std::io;
use std::path::Path;
use std::time::Instant;

use crate::check::check;
use crate::idle::{self, Plan};
use crate::measure::Bench;
use crate::peers::{Kind, Peer, same};
use crate::results::{Absence, Capacity, Measured, Missing, Participant, Results};
use crate::scenario::{Load, Scenario, is_known, known};
use crate::server::Server;
use crate::statistics::Spread;
use crate::system::check_interrupted;

/// The scenario whose requests a second are a server's capacity.
const CAPACITY: &str = "keep-alive-64";
/// After so many rounds that failed, a participant is not measured in a scenario again.
const FAILURES_MAX: usize = 2;
/// What starting and ending a server takes, in seconds, about.
const START_AND_END: f64 = 0.35;

/// What is to be done.
#[derive(Debug)]
pub struct Run<'a> {
    /// Where and for how long.
    pub bench: Bench<'a>,
    /// How idle connections are measured.
    pub plan: Plan,
    /// What is measured, and how often.
    pub scenarios: Vec<(Scenario, u32)>,
    /// Who takes part.
    pub peers: Vec<Peer>,
    /// Whose capacity the fixed rates are shares of.
    pub rate_of: Option<String>,
    /// Where the raw numbers are written after every scenario.
    pub file: &'a Path,
}

impl Run<'_> {
    /// Starts everybody once, and asks for what the scenarios will ask for. Who fails is not in what follows.
    ///
    /// # Errors
    ///
    /// Where the run is interrupted.
    pub fn probe(&mut self, results: &mut Results, versions: &[String]) -> io::Result<()> {
        let mut peers = Vec::new();
        for (peer, version) in self.peers.drain(..).zip(versions) {
            let started = self.bench.start(&peer, 1);
            check_interrupted()?;
            let server = match started {
                Ok(server) => server,
                Err(error) => {
                    eprintln!("{}: missing: {error}", peer.name);
                    results.missing.push(Missing {
                        name: peer.name,
                        reason: format!("it does not start: {error}"),
                    });
                    continue;
                }
            };
            results.participants.push(participant(&peer, version, &server));
            for (lacking, _) in peer.lacks().iter().filter(|(name, _)| !is_known(name)) {
                eprintln!("{}: lacks {lacking:?}, which is no scenario: {}", peer.name, known());
            }
            for (scenario, _) in &self.scenarios {
                if let Err(reason) = can_take_part(scenario, &peer, &server) {
                    note_absence(results, scenario, &peer, reason);
                }
            }
            peers.push(peer);
        }
        self.peers = peers;
        Ok(())
    }

    /// How long it will take, in seconds, about.
    pub fn estimate(&self, results: &Results) -> f64 {
        let each = |scenario: &Scenario| match scenario.load {
            Load::Idle => self.plan.seconds(),
            Load::FixedRate(_) => START_AND_END + self.bench.warm_up.as_secs_f64() + self.bench.fixed_seconds,
            Load::Wrk(_) | Load::Ab(_) => {
                START_AND_END + self.bench.warm_up.as_secs_f64() + self.bench.seconds(scenario) as f64 + 0.05
            }
        };
        let of = |(scenario, rounds): &(Scenario, u32)| {
            let taking_part = self.peers.iter().filter(|peer| !is_absent(results, scenario, peer));
            f64::from(*rounds) * taking_part.count() as f64 * each(scenario)
        };
        self.scenarios.iter().map(of).sum()
    }

    /// Measures.
    ///
    /// # Errors
    ///
    /// Where the run is interrupted, or the machine does not permit it.
    pub fn run(&self, results: &mut Results) -> io::Result<()> {
        let begin = Instant::now();
        results.scenarios = self.scenarios.iter().map(|plan| self.measured(plan)).collect();
        if self.scenarios.iter().any(|(scenario, _)| scenario.load == Load::Idle) {
            results.client_half = Some(idle::client_half()?);
        }
        let is_fixed = |scenario: &Scenario| matches!(scenario.load, Load::FixedRate(_));
        self.rounds(results, &begin, &|scenario| !is_fixed(scenario), 0.0)?;
        if self.scenarios.iter().any(|(scenario, _)| is_fixed(scenario)) {
            let capacity = self.capacity(results)?;
            let rate = capacity.rate;
            eprintln!("fixed rates are shares of {}'s {rate:.0} requests/s", capacity.of);
            results.capacity = Some(capacity);
            self.rounds(results, &begin, &is_fixed, rate)?;
        }
        results.duration_seconds = begin.elapsed().as_secs_f64();
        Ok(())
    }

    fn measured(&self, (scenario, rounds): &(Scenario, u32)) -> Measured {
        let seconds = match scenario.load {
            Load::FixedRate(_) => self.bench.fixed_seconds,
            Load::Idle => 0.0,
            Load::Wrk(_) | Load::Ab(_) => self.bench.seconds(scenario) as f64,
        };
        Measured {
            name: scenario.name.to_owned(),
            rounds: *rounds,
            seconds,
        }
    }

    /// All rounds of those scenarios that are chosen.
    fn rounds(
        &self,
        results: &mut Results,
        begin: &Instant,
        chosen: &dyn Fn(&Scenario) -> bool,
        capacity: f64,
    ) -> io::Result<()> {
        let is_chosen = |(scenario, _): &&(Scenario, u32)| chosen(scenario);
        let rounds = self.scenarios.iter().filter(is_chosen).map(|(_, rounds)| *rounds).max();
        for round in 0..rounds.unwrap_or(0) {
            for (scenario, of) in self.scenarios.iter().filter(is_chosen).filter(|(_, of)| round < *of) {
                let minutes = begin.elapsed().as_secs() / 60;
                eprintln!("[{minutes} min] round {} of {of}: {}", round + 1, scenario.name);
                self.round(results, scenario, round, capacity)?;
                results.duration_seconds = begin.elapsed().as_secs_f64();
                results.write(self.file)?; // What is measured stays, should the machine go down.
            }
        }
        Ok(())
    }

    /// Everybody once, beginning with another one in each round.
    fn round(&self, results: &mut Results, scenario: &Scenario, round: u32, capacity: f64) -> io::Result<()> {
        let client_half = results.client_half.unwrap_or(0.0);
        for turn in 0..self.peers.len() {
            check_interrupted()?;
            let peer = &self.peers[(turn + round as usize) % self.peers.len()];
            if is_absent(results, scenario, peer) || failures(results, scenario, peer) >= FAILURES_MAX {
                continue;
            }
            let outcome = match scenario.load {
                Load::Idle => self.plan.measure(&self.bench, peer, client_half).map(|mut sample| {
                    sample.round = round;
                    results.idle.push(sample);
                }),
                _ => self.bench.measure(scenario, peer, capacity).map(|mut sample| {
                    sample.round = round;
                    results.samples.push(sample);
                }),
            };
            if let Err(error) = outcome {
                check_interrupted()?;
                eprintln!("{}: {}: {error}", scenario.name, peer.name);
                note_absence(results, scenario, peer, format!("{FAILED}{}: {error}", round + 1));
            }
        }
        Ok(())
    }

    /// The slowest participant's, or that of the one that was asked for. Limits count only where there is nobody else.
    fn capacity(&self, results: &Results) -> io::Result<Capacity> {
        let scenario = Scenario::named(CAPACITY).ok_or_else(|| io::Error::other("no scenario tells capacities"))?;
        let mut capacities = Vec::new();
        let only_limits = self.peers.iter().all(|peer| peer.kind == Kind::Limit);
        for peer in &self.peers {
            let counts = match &self.rate_of {
                Some(name) => same(name, &peer.name),
                None => only_limits || peer.kind != Kind::Limit,
            };
            if !counts {
                continue;
            }
            let is_its = |name: &str, participant: &str| name == CAPACITY && participant == peer.name;
            let samples = results.samples.iter();
            let samples = samples.filter(|sample| is_its(&sample.scenario, &sample.participant));
            let rate = match Spread::of(samples.map(|sample| sample.rate)) {
                Some(rates) => rates.median,
                None => match self.bench.measure(scenario, peer, 0.0) {
                    Ok(sample) => sample.rate,
                    Err(_) => continue, // Who cannot do this will fail below, too, and be listed there.
                },
            };
            check_interrupted()?;
            capacities.push(Capacity {
                of: peer.name.clone(),
                rate,
            });
        }
        let slowest = capacities.into_iter().filter(|capacity| capacity.rate > 0.0);
        slowest
            .min_by(|one, other| one.rate.total_cmp(&other.rate))
            .ok_or_else(|| match &self.rate_of {
                Some(name) => io::Error::other(format!("--rate-of {name:?}: it takes no part")),
                None => io::Error::other("nobody has a capacity that a fixed rate could be a share of"),
            })
    }
}

fn participant(peer: &Peer, version: &str, server: &Server) -> Participant {
    Participant {
        name: peer.name.clone(),
        kind: peer.kind,
        language: peer.language.clone(),
        version: version.to_owned(),
        settings: peer.settings.clone(),
        answer_bytes: server.answer.bytes(),
        answer_fields: server.answer.fields(),
        answer_head: server.answer.head.clone(),
    }
}

/// Otherwise the reason.
fn can_take_part(scenario: &Scenario, peer: &Peer, server: &Server) -> Result<(), String> {
    if let Some((_, reason)) = peer.lacks().into_iter().find(|(name, _)| scenario.is_meant_by(name)) {
        return Err(reason.to_owned());
    }
    check(scenario, server.address).map_err(|error| format!("it does not answer as it should: {error}"))
}

/// How the reason begins where a single round failed.
pub const FAILED: &str = "failed in round ";

fn note_absence(results: &mut Results, scenario: &Scenario, peer: &Peer, reason: String) {
    results.absences.push(Absence {
        scenario: scenario.name.to_owned(),
        participant: peer.name.clone(),
        reason,
    });
}

fn absences<'a>(results: &'a Results, scenario: &Scenario, peer: &Peer) -> impl Iterator<Item = &'a Absence> {
    let (scenario, name) = (scenario.name, peer.name.clone());
    let all = results.absences.iter();
    all.filter(move |absence| absence.scenario == scenario && absence.participant == name)
}

fn is_absent(results: &Results, scenario: &Scenario, peer: &Peer) -> bool {
    absences(results, scenario, peer).any(|absence| !absence.reason.starts_with(FAILED))
}

fn failures(results: &Results, scenario: &Scenario, peer: &Peer) -> usize {
    absences(results, scenario, peer).count()
}
