//! What is measured: each scenario with its load, its time, and the names by which it can be chosen or lacked.

use std::io;

use crate::load::ab::Ab;
use crate::load::wrk::{Manner, Wrk};

/// One way of asking everybody.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// By which it is chosen, and found in the results.
    pub name: &'static str,
    /// As the report calls it.
    pub title: &'static str,
    /// Groups that it belongs to; `--scenarios` and `lacks` of peers.toml may name these as well.
    pub groups: &'static [&'static str],
    /// What asks.
    pub load: Load,
    /// How long it is measured each time; `--quick` takes one second. wrk and ab take whole ones.
    pub seconds: u64,
    /// How many threads and cores the server has.
    pub threads: usize,
    /// How often `--quick` measures it; 0 where it leaves it out.
    pub quick_rounds: u32,
    /// Whether the report has a chart of it.
    pub has_chart: bool,
}

/// What asks the servers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Load {
    /// The program wrk.
    Wrk(Wrk),
    /// The program ab.
    Ab(Ab),
    /// Requests at a fixed rate: a share of a capacity that is measured first.
    FixedRate(f64),
    /// Nothing: connections lie idle.
    Idle,
}

/// How many are open at the same time where the scenario is not about that.
pub const CONNECTIONS: usize = 64;
/// How many requests are in one write.
const PIPELINED: usize = 16;
/// The size of request bodies.
pub const BODY_BYTES: usize = 16 << 10;
/// The default number of rounds, and the most that can be asked for.
const ROUNDS: u32 = 5;
pub const ROUNDS_MAX: u32 = 1000;
/// That of the scenario whose figures hardly differ from round to round, and take long.
const IDLE_ROUNDS: u32 = 3;

const fn wrk(connections: usize, path: &'static str, manner: Manner) -> Load {
    Load::Wrk(Wrk {
        connections,
        path,
        manner,
    })
}

const fn ab(connections: usize, keep_alive: bool) -> Load {
    Load::Ab(Ab {
        connections,
        keep_alive,
    })
}

const PLAIN: Scenario = Scenario {
    name: "",
    title: "",
    groups: &[],
    load: Load::Idle,
    seconds: 2,
    threads: 1,
    quick_rounds: 0,
    has_chart: false,
};

/// All of them, in the report's order.
pub const ALL: &[Scenario] = &[
    Scenario {
        name: "keep-alive-64",
        title: "Keep-alive, 64 connections (wrk)",
        groups: &["keep-alive", "main"],
        load: wrk(CONNECTIONS, "/", Manner::KeepAlive),
        seconds: 4, // User time is a few hundredths of it, and counted in ticks.
        quick_rounds: 3,
        has_chart: true,
        ..PLAIN
    },
    Scenario {
        name: "keep-alive-360",
        title: "Keep-alive, 360 connections (wrk)",
        groups: &["keep-alive"],
        load: wrk(360, "/", Manner::KeepAlive),
        ..PLAIN
    },
    Scenario {
        name: "keep-alive-1000",
        title: "Keep-alive, 1,000 connections (wrk)",
        groups: &["keep-alive"],
        load: wrk(1_000, "/", Manner::KeepAlive),
        ..PLAIN
    },
    Scenario {
        name: "ab-keep-alive-64",
        title: "Keep-alive, 64 connections (ab -k)",
        groups: &["ab-keep-alive", "ab"],
        load: ab(CONNECTIONS, true),
        ..PLAIN
    },
    Scenario {
        name: "ab-keep-alive-360",
        title: "Keep-alive, 360 connections (ab -k)",
        groups: &["ab-keep-alive", "ab"],
        load: ab(360, true),
        ..PLAIN
    },
    Scenario {
        name: "ab-keep-alive-1000",
        title: "Keep-alive, 1,000 connections (ab -k)",
        groups: &["ab-keep-alive", "ab"],
        load: ab(1_000, true),
        ..PLAIN
    },
    Scenario {
        name: "pipelined",
        title: "16 requests pipelined, 64 connections (wrk)",
        groups: &["main"],
        load: wrk(CONNECTIONS, "/", Manner::Pipelined(PIPELINED)),
        quick_rounds: 3,
        has_chart: true,
        ..PLAIN
    },
    Scenario {
        name: "close",
        title: "A new connection for each request, 64 at a time (wrk)",
        groups: &["main", "new-connections"],
        load: wrk(CONNECTIONS, "/", Manner::Close),
        quick_rounds: 3,
        has_chart: true,
        ..PLAIN
    },
    Scenario {
        name: "ab-close",
        title: "A new connection for each request, 64 at a time (ab)",
        groups: &["close", "new-connections", "ab"],
        load: ab(CONNECTIONS, false),
        ..PLAIN
    },
    Scenario {
        name: "large-16k",
        title: "Responses of 16 KB, 64 connections (wrk)",
        groups: &["large"],
        load: wrk(CONNECTIONS, "/16k", Manner::KeepAlive),
        quick_rounds: 1,
        has_chart: true,
        ..PLAIN
    },
    Scenario {
        name: "large-1m",
        title: "Responses of 1 MB, 64 connections (wrk)",
        groups: &["large"],
        load: wrk(CONNECTIONS, "/1m", Manner::KeepAlive),
        quick_rounds: 1,
        has_chart: true,
        ..PLAIN
    },
    Scenario {
        name: "bodies",
        title: "Request bodies of 16 KB, 64 connections (wrk)",
        groups: &["bodies-16k"],
        load: wrk(CONNECTIONS, "/upload", Manner::Body(BODY_BYTES)),
        quick_rounds: 1,
        has_chart: true,
        ..PLAIN
    },
    Scenario {
        name: "two-cores",
        title: "Two threads on two cores, keep-alive, 64 connections (wrk)",
        load: wrk(CONNECTIONS, "/", Manner::KeepAlive),
        threads: 2,
        ..PLAIN
    },
    Scenario {
        name: "memory",
        title: "Idle connections, memory, start",
        groups: &["idle"],
        quick_rounds: 1,
        has_chart: true,
        ..PLAIN
    },
    Scenario {
        name: "latency-50",
        title: "Latency at 50 % of a fixed capacity",
        groups: &["latency", "fixed-rate"],
        load: Load::FixedRate(0.5),
        quick_rounds: 1,
        has_chart: true,
        ..PLAIN
    },
    Scenario {
        name: "latency-80",
        title: "Latency at 80 % of a fixed capacity",
        groups: &["latency", "fixed-rate"],
        load: Load::FixedRate(0.8),
        quick_rounds: 1,
        has_chart: true,
        ..PLAIN
    },
];

impl Scenario {
    /// Whether a name means it or a group that it belongs to.
    pub fn is_meant_by(&self, name: &str) -> bool {
        let name = name.replace('_', "-"); // TOML's keys are more often written so.
        self.name == name || self.groups.contains(&name.as_str())
    }

    /// How many rounds it is measured in, where nothing else is asked for.
    fn rounds(&self, quick: bool) -> u32 {
        match (quick, self.load) {
            (true, _) => self.quick_rounds.max(1),
            (false, Load::Idle) => IDLE_ROUNDS,
            (false, _) => ROUNDS,
        }
    }

    /// The one of a name.
    pub fn named(name: &str) -> Option<&'static Scenario> {
        ALL.iter().find(|scenario| scenario.name == name)
    }
}

/// What is to be measured, in how many rounds each, and what `--quick` leaves out.
#[derive(Debug, Default)]
pub struct Choice {
    /// Each with its number of rounds.
    pub scenarios: Vec<(Scenario, u32)>,
    /// By their names.
    pub left_out: Vec<&'static str>,
}

/// Chooses scenarios by their names and those of their groups, or those that make up a whole run where there are none. A name
/// may have a number of rounds of its own behind it, `pipelined:12`; otherwise it is `rounds`, where that is given.
///
/// # Errors
///
/// Where a name means none, or what is behind it is no number of rounds.
pub fn choose(names: &[String], quick: bool, rounds: Option<u32>) -> io::Result<Choice> {
    let asked = names.iter().map(|name| asked(name)).collect::<io::Result<Vec<_>>>()?;
    let mut choice = Choice::default();
    for scenario in ALL {
        let own = scenario.rounds(quick);
        if names.is_empty() && quick && scenario.quick_rounds == 0 {
            choice.left_out.push(scenario.name);
        } else if names.is_empty() {
            choice.scenarios.push((*scenario, rounds.unwrap_or(own)));
        } else if let Some((_, special)) = asked.iter().find(|(name, _)| scenario.is_meant_by(name)) {
            choice.scenarios.push((*scenario, special.or(rounds).unwrap_or(own)));
        }
    }
    Ok(choice)
}

/// A name, and the rounds that are asked for behind it.
fn asked(text: &str) -> io::Result<(&str, Option<u32>)> {
    let refused = |why: String| Err(io::Error::other(format!("--scenarios {text:?}: {why}")));
    let (name, rounds) = match text.split_once(':') {
        Some((name, rounds)) => (name, Some(rounds)),
        None => (text, None),
    };
    if !is_known(name) {
        return refused(known());
    }
    match rounds.map(str::parse::<u32>) {
        None => Ok((name, None)),
        Some(Ok(rounds @ 1..=ROUNDS_MAX)) => Ok((name, Some(rounds))),
        Some(_) => refused(format!(
            "behind the colon there is a number of rounds, 1 to {ROUNDS_MAX}"
        )),
    }
}

/// Whether a name means a scenario or a group.
pub fn is_known(name: &str) -> bool {
    ALL.iter().any(|scenario| scenario.is_meant_by(name))
}

/// All names, as a sentence.
pub fn known() -> String {
    let names: Vec<&str> = ALL.iter().map(|scenario| scenario.name).collect();
    let mut groups: Vec<&str> = ALL.iter().flat_map(|scenario| scenario.groups).copied().collect();
    groups.sort_unstable();
    groups.dedup();
    groups.retain(|group| !names.contains(group));
    format!("there are {}; and the groups {}", names.join(", "), groups.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{ALL, choose, is_known};

    #[test]
    fn names_are_unique() {
        for (number, scenario) in ALL.iter().enumerate() {
            assert!(ALL[..number].iter().all(|earlier| earlier.name != scenario.name));
        }
    }

    fn chosen(names: &[&str], quick: bool, rounds: Option<u32>) -> Vec<(&'static str, u32)> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let choice = choose(&names, quick, rounds).unwrap();
        let chosen = choice.scenarios.iter();
        chosen.map(|(scenario, rounds)| (scenario.name, *rounds)).collect()
    }

    #[test]
    fn a_group_means_all_of_its_scenarios() {
        let names = |names: &[&str], quick| -> Vec<&str> {
            let chosen = chosen(names, quick, None);
            chosen.into_iter().map(|(name, _)| name).collect()
        };
        assert_eq!(names(&["latency"], false), ["latency-50", "latency-80"]);
        assert_eq!(names(&["close"], false), ["close", "ab-close"]);
        assert_eq!(names(&["two-cores"], true), ["two-cores"]);
        assert_eq!(names(&[], false).len(), ALL.len());
    }

    #[test]
    fn rounds_are_those_behind_the_name_or_those_of_all_or_the_scenarios_own() {
        let names = ["pipelined:12", "memory", "large:2"];
        let with = |rounds| chosen(&names, false, rounds);
        assert_eq!(
            with(None),
            [("pipelined", 12), ("large-16k", 2), ("large-1m", 2), ("memory", 3)]
        );
        assert_eq!(with(Some(7))[3], ("memory", 7));
        assert_eq!(chosen(&["two-cores"], true, None), [("two-cores", 1)]);
        assert!(chosen(&[], true, Some(4)).iter().all(|(_, rounds)| *rounds == 4));
    }

    #[test]
    fn quick_says_what_it_leaves_out() {
        let choice = choose(&[], true, None).unwrap();
        assert_eq!(choice.scenarios.len() + choice.left_out.len(), ALL.len());
        assert!(choice.left_out.contains(&"keep-alive-360"));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for name in [
            "fast",
            "pipelined:",
            "pipelined:0",
            "pipelined:1001",
            "pipelined:x",
            ":3",
        ] {
            assert!(choose(&[name.to_owned()], false, None).is_err(), "{name}");
        }
        assert!(is_known("large") && is_known("two_cores") && !is_known(""));
    }
}
