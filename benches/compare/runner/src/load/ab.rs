//! ApacheBench: how it is run, and what it says. It speaks HTTP/1.0, has one thread, and is often the first at its end.

use std::io;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::load::{Count, run};

/// How long ab may wait for an answer.
const ANSWER_TIMEOUT_SECONDS: u64 = 5;
/// More requests than any server answers in the time; ab ends with the time.
const REQUESTS_MAX: usize = 2_000_000;

/// What ab is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ab {
    /// At the same time.
    pub connections: usize,
    /// Whether connections stay open.
    pub keep_alive: bool,
}

impl Ab {
    /// Runs ab for some seconds. Returns what it counted and its share of a core.
    ///
    /// # Errors
    ///
    /// Where it cannot be run.
    pub fn run(&self, address: SocketAddr, seconds: u64, cores: &[usize]) -> io::Result<(Count, f64)> {
        let mut command = Command::new("ab");
        command.args(["-q", "-r", "-s", &ANSWER_TIMEOUT_SECONDS.to_string()]);
        // -t sets -n, too, so that -n has to follow.
        command.args(["-t", &seconds.to_string(), "-n", &REQUESTS_MAX.to_string()]);
        command.args(["-c", &self.connections.to_string()]);
        if self.keep_alive {
            command.arg("-k");
        }
        command.arg(format!("http://{address}/"));
        let limit = Duration::from_secs(seconds + 2 * ANSWER_TIMEOUT_SECONDS);
        let said = run(command, cores, limit)?;
        let mut count = self.parse(&said.output).unwrap_or_else(|| {
            let why = said.complaints.lines().rfind(|line| !line.trim().is_empty());
            Count {
                errors: vec![format!("ab gave no report: {}", why.unwrap_or("nothing said").trim())],
                ..Count::default()
            }
        });
        if said.timed_out {
            count.errors.push("ab had to be ended".to_owned());
        }
        Ok((count, said.cpu))
    }

    /// Reads ab's report. None where it is none.
    fn parse(&self, output: &str) -> Option<Count> {
        let number = |name: &str| -> Option<f64> {
            let line = output
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let requests = number("Complete requests")? as u64;
        let mut count = Count {
            requests,
            rate: number("Requests per second")?,
            errors: Vec::new(),
        };
        for (name, what) in [
            ("Failed requests", "failed requests"),
            ("Write errors", "write errors"),
            ("Non-2xx responses", "answers that are not 2xx"),
        ] {
            if let Some(errors) = number(name).filter(|&errors| errors > 0.0) {
                count.errors.push(format!("{what}: {errors}"));
            }
        }
        if self.keep_alive {
            let kept = number("Keep-Alive requests").unwrap_or(0.0) as u64;
            // Those that are under way when the time is over are counted as neither.
            let missing = requests.saturating_sub(kept);
            if missing > self.connections as u64 {
                count
                    .errors
                    .push(format!("answers without Connection: keep-alive: {missing}"));
            }
        }
        if requests == 0 {
            count.errors.push("no answers".to_owned());
        }
        Some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::Ab;

    const GOOD: &str = "Concurrency Level:      64
Time taken for tests:   2.000 seconds
Complete requests:      40000
Failed requests:        0
Keep-Alive requests:    40000
Total transferred:      6200000 bytes
HTML transferred:       520000 bytes
Requests per second:    20000.12 [#/sec] (mean)
Time per request:       3.200 [ms] (mean)
";
    const KEPT: Ab = Ab {
        connections: 64,
        keep_alive: true,
    };

    #[test]
    fn a_good_run_has_no_errors() {
        let count = KEPT.parse(GOOD).unwrap();
        assert_eq!((count.requests, count.rate), (40_000, 20_000.12));
        assert!(count.errors.is_empty());
    }

    #[test]
    fn errors_are_told() {
        let bad = GOOD.replace(
            "Failed requests:        0",
            "Failed requests:        7\nNon-2xx responses:      9",
        );
        assert_eq!(
            KEPT.parse(&bad).unwrap().errors,
            ["failed requests: 7", "answers that are not 2xx: 9"]
        );
    }

    #[test]
    fn connections_that_are_not_kept_are_told() {
        let bad = GOOD.replace("Keep-Alive requests:    40000", "Keep-Alive requests:    100");
        assert_eq!(
            KEPT.parse(&bad).unwrap().errors,
            ["answers without Connection: keep-alive: 39900"]
        );
    }

    #[test]
    fn anything_else_is_no_report() {
        assert_eq!(
            KEPT.parse("apr_pollset_poll: The timeout specified has expired (70007)\n"),
            None
        );
    }
}
