//! The conformance suite of `engine/tests/conformance` on the simulated ring, where each piece is exactly one receive.

#[expect(dead_code, reason = "some of it is for sockets")]
#[path = "../../../tests/conformance/answer.rs"]
mod answer;
#[path = "../../../tests/conformance/case.rs"]
mod case;
#[path = "../../../tests/conformance/runs.rs"]
mod runs;
#[path = "../../../tests/conformance/service.rs"]
mod service;
#[path = "../../../tests/conformance/verdict.rs"]
mod verdict;

use std::os::fd::RawFd;
use std::path::Path;

use super::harness::{self, Harness};
use super::{Config, IntoResponse, Request, Response};
use crate::ring::Ended;
use crate::{FieldError, StatusCode, Upgraded};

use answer::Received;
use case::{Case, Fate, Profile};
use runs::{Kind, PING, PROBE, Run};
use service::Log;
use verdict::{Awaited, check_calls, check_good};

/// A core is a thread's own; the cases are dealt out to so many.
const THREADS: usize = 2;

#[test]
fn every_case_holds_at_every_cut() {
    let cases = case::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance"))
        .unwrap_or_else(|problem| panic!("{problem}"));
    let failures: Vec<String> = std::thread::scope(|scope| {
        let cases = &cases;
        let deal = |first| scope.spawn(move || failures(&cases.iter().skip(first).step_by(THREADS)));
        let threads: Vec<_> = (0..THREADS).map(deal).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert!(
        failures.is_empty(),
        "{} cases failed:\n{}",
        failures.len(),
        failures.concat()
    );
}

/// What is wrong with each of these cases, at the first cut where something is: the others are likely to say the same.
fn failures<'a>(cases: &(impl Iterator<Item = &'a Case> + Clone)) -> Vec<String> {
    let mut failures = Vec::new();
    harness::run(async || {
        for profile in [Profile::Plain, Profile::Small] {
            let mut suite = Suite::new(profile);
            for case in cases.clone().filter(|case| case.server == profile) {
                failures.extend(suite.run_all(case).await.err());
            }
            suite.harness.assert_empty();
        }
    });
    failures
}

/// A core that serves the suite's service, and what that was called with.
struct Suite {
    harness: Harness,
    log: Log,
}

impl Suite {
    fn new(profile: Profile) -> Suite {
        let log = Log::default();
        let service = {
            let log = log.clone();
            async move |request: Request| service::answer(&log, request).await
        };
        let harness = Harness::new(service, |config| profile.configure(config));
        Suite { harness, log }
    }

    async fn run_all(&mut self, case: &Case) -> Result<(), String> {
        // What is flooded behind an error belongs to TCP.
        for run in runs::all(case).into_iter().filter(|run| run.kind != Kind::Flooded) {
            self.run(run).await?;
        }
        Ok(())
    }

    async fn run(&mut self, run: Run<'_>) -> Result<(), String> {
        let client = self.harness.ring.connect();
        let mut received = Received::default();
        let outcome = self.dialogue(client, run, &mut received).await;
        // However it went, the client goes.
        self.harness.ring.end(client, Ok(()));
        self.harness.run(0).await;
        let seen = self.log.take(None);
        let outcome = outcome
            .and_then(|()| match self.harness.ring.is_closed(client) {
                true => check_calls(run, &seen, run.case.fate == Fate::Kept),
                false => Err("the connection is still open".into()),
            })
            .and_then(|()| received.expect_nothing_more());
        outcome.map_err(|problem| run.describe(&problem, received.history()))
    }

    async fn dialogue(&mut self, client: RawFd, run: Run<'_>, received: &mut Received) -> Result<(), String> {
        let mut awaited = Awaited::new(run);
        for part in 0..run.parts().len() {
            let is_last = part + 1 == run.parts().len();
            for piece in run.pieces(part) {
                self.harness.ring.write(client, &piece);
            }
            if is_last && run.case.half_close {
                self.harness.ring.end(client, Ok(()));
            }
            self.receive(client, received).await;
            received.ended = self.harness.ring.ended(client) != Ended::No;
            if !awaited.take(received)? {
                return Err("an answer is missing".into());
            }
            if !matches!(run.case.fate, Fate::Upgraded(_)) {
                received.expect_nothing_more()?;
            }
        }
        match &run.case.fate {
            Fate::Closed | Fate::ClosedOrReset => {
                let ended = self.harness.ring.ended(client);
                if !matches!(ended, Ended::Finished | Ended::Closed) {
                    return Err(format!("the connection's end is {ended:?}"));
                }
                if !run.case.half_close {
                    self.harness.ring.write(client, PROBE);
                    self.receive(client, received).await;
                }
                Ok(())
            }
            Fate::Kept => {
                self.harness.ring.write(client, PROBE);
                self.receive(client, received).await;
                let answer = received.take_answer(false)?;
                check_good(&answer.ok_or("the connection was not kept")?, "GET /probe\n")
            }
            Fate::Upgraded(early) => {
                self.harness.ring.write(client, PING);
                self.receive(client, received).await;
                received.expect_bytes(&[early, PING].concat())
            }
        }
    }

    async fn receive(&mut self, client: RawFd, received: &mut Received) {
        self.harness.run(0).await;
        received.push(&self.harness.ring.read(client));
    }
}
