//! The conformance suite: every case of the data files in `conformance/`, in every way to send it, over sockets.
//!
//! The first of the data files describes their format. The same cases are run on the simulated ring by the engine's own
//! tests (`src/core/tests/conformance.rs`), where the cuts are exact; here the kernel's TCP is in between.

mod support;

#[path = "conformance/answer.rs"]
mod answer;
#[path = "conformance/case.rs"]
mod case;
#[path = "conformance/runs.rs"]
mod runs;
#[path = "conformance/service.rs"]
mod service;
#[path = "conformance/sockets.rs"]
mod sockets;
#[path = "conformance/verdict.rs"]
mod verdict;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use ringlane::{Config, FieldError, IntoResponse, Request, Response, StatusCode, Upgraded};

use case::{Case, Profile};
use runs::{Kind, Run};
use service::Log;
use sockets::Client;
use support::TestServer;

const THREADS: usize = 3;

/// Runs that are under way at the same time in one thread.
const BATCH: usize = 32;

/// After so many failures nothing more is learnt from a case, and each may have waited for its timeout.
const FAILURES_MAX: usize = 3;

#[test]
fn every_case_holds_however_it_is_sent() {
    let cases = case::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance"))
        .unwrap_or_else(|problem| panic!("{problem}"));
    assert!(cases.len() >= 300, "there are no more than {} cases", cases.len());
    let servers = [Profile::Plain, Profile::Small].map(|profile| (profile, Server::start(profile)));
    let suite = Suite {
        servers: servers
            .iter()
            .map(|(profile, server)| (*profile, server.asked()))
            .collect(),
        batches: batches(&cases),
        next: AtomicUsize::new(0),
        runs: AtomicUsize::new(0),
        failures: Mutex::default(),
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| suite.work());
        }
    });
    let runs = suite.runs.into_inner();
    // Past the harness, which keeps what macros print to itself.
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("conformance: {} cases, {runs} runs\n", cases.len()).as_bytes(),
    );
    let failures = suite.failures.into_inner().unwrap();
    let report: String = cases
        .iter()
        .filter_map(|case| failures.get(&case.place))
        .flatten()
        .cloned()
        .collect();
    assert!(failures.is_empty(), "{} cases failed:\n{report}", failures.len());
}

/// A running server, and what it is asked.
struct Server {
    server: TestServer,
    log: Log,
}

impl Server {
    fn start(profile: Profile) -> Server {
        let log = Log::default();
        let server = TestServer::start(|config| profile.configure(config), {
            let log = log.clone();
            move |_| {
                let log = log.clone();
                async move |request: Request| service::answer(&log, request).await
            }
        });
        Server { server, log }
    }

    fn asked(&self) -> (SocketAddr, Log) {
        (self.server.address(), self.log.clone())
    }
}

/// Runs of one server and one kind, so that they need the same number of turns.
type Batch<'a> = (Profile, Vec<Run<'a>>);

struct Suite<'a> {
    servers: HashMap<Profile, (SocketAddr, Log)>,
    batches: Vec<Batch<'a>>,
    next: AtomicUsize,
    runs: AtomicUsize,
    /// By case.
    failures: Mutex<HashMap<String, Vec<String>>>,
}

/// The simple kinds first: what fails in them fails in all.
fn batches(cases: &[Case]) -> Vec<Batch<'_>> {
    let rank = |kind: Kind| match kind {
        Kind::Whole => 0,
        Kind::Pipelined => 1,
        Kind::Flooded => 2,
        Kind::Bytewise => 3,
        Kind::Split(_) => 4,
    };
    let mut runs: Vec<Run<'_>> = cases.iter().flat_map(runs::all).collect();
    runs.sort_by_cached_key(|run| (rank(run.kind), run.case.server as usize, run.case.length()));
    runs.chunk_by(|one, next| rank(one.kind) == rank(next.kind) && one.case.server == next.case.server)
        .flat_map(|group| group.chunks(BATCH))
        .map(|batch| (batch[0].case.server, batch.to_vec()))
        .collect()
}

impl Suite<'_> {
    fn work(&self) {
        let mut clients = HashMap::new();
        while let Some((profile, batch)) = self.batches.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let client = clients.entry(*profile).or_insert_with(|| {
                let (address, log) = &self.servers[profile];
                Client::connect(*address, log.clone()).expect("the server takes connections")
            });
            let batch: Vec<Run<'_>> = batch.iter().copied().filter(|run| !self.is_given_up(run)).collect();
            self.runs.fetch_add(batch.len(), Ordering::Relaxed);
            let outcomes = client.run(&batch).unwrap_or_else(|problem| panic!("{problem}"));
            for (run, outcome) in batch.iter().zip(outcomes) {
                if let Some(failure) = outcome {
                    let report = run.describe(&failure.problem, &failure.received);
                    self.failures
                        .lock()
                        .unwrap()
                        .entry(run.case.place.clone())
                        .or_default()
                        .push(report);
                }
            }
        }
    }

    fn is_given_up(&self, run: &Run<'_>) -> bool {
        let failures = self.failures.lock().unwrap();
        failures
            .get(&run.case.place)
            .is_some_and(|failures| failures.len() >= FAILURES_MAX)
    }
}

#[test]
fn mistakes_in_the_data_are_named_with_file_and_line() {
    for (text, expected) in [
        ("> GET / HTTP/1.1\\r\\n", "x.cases:1: a line before the first case"),
        (
            "# a\n\n== a\nRFC 1\n> a \n< 400\nclosed",
            "x.cases:5: the line ends in whitespace",
        ),
        ("== a\nRFC 1\n> \\q\n< 400\nclosed", "x.cases:3: \\q is no escape"),
        (
            "== a\nRFC 1\n> \\xg0\n< 400\nclosed",
            "x.cases:3: \\x wants two hexadecimal digits",
        ),
        (
            "== a\nRFC 1\n> \\{3a}\n< 400\nclosed",
            "x.cases:3: \"3a\" is not a count",
        ),
        (
            "== a\nRFC 1\n> \\{3*a\n< 400\nclosed",
            "x.cases:3: \\{ wants a closing brace",
        ),
        (
            "== a\nRFC 1\n> \u{e9}\n< 400\nclosed",
            "x.cases:3: byte 0xc3 is not printable ASCII",
        ),
        ("== a\nRFC 1\n< 400\nclosed", "x.cases:3: nothing has been sent yet"),
        (
            "== a\nRFC 1\n> a\n< 4x0\nclosed",
            "x.cases:4: \"4x0\" is no status code",
        ),
        (
            "== a\nRFC 1\n> a\n< 200 GET\nclosed",
            "x.cases:4: the target is missing",
        ),
        (
            "== a\nRFC 1\n> a\n< 400\nshut",
            "x.cases:5: \"shut\" is no line of a case",
        ),
        (
            "== a\nRFC 1\n> a\n< 400\nclosed\n< 400",
            "x.cases:6: there is a line behind the connection's fate",
        ),
        (
            "== a\nRFC 1\n> a\n< 400\n\n== b",
            "x.cases:1: the connection's fate is missing",
        ),
        ("== a\n> a\n< 400\nclosed", "x.cases:1: the RFC's section is missing"),
        ("\n== a\nRFC 1\n> a\nclosed", "x.cases:2: the answer is missing"),
    ] {
        let problem = case::parse("x.cases", text).expect_err(text);
        assert!(problem.starts_with(expected), "{text:?}: {problem}");
    }
    let bytes = case::unescape("a\\r\\n\\t\\0\\\\\\x7f\\{3*\\xffb}c");
    assert_eq!(bytes, Ok(b"a\r\n\t\0\\\x7f\xffb\xffb\xffbc".to_vec()));
}
