//! wrk: how it is run, and what it says.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::load::{Count, run};

/// How long wrk may go on after its time.
const GRACE: Duration = Duration::from_secs(10);

/// What wrk is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrk {
    /// At the same time.
    pub connections: usize,
    /// What is asked for.
    pub path: &'static str,
    /// In which manner.
    pub manner: Manner,
}

/// How requests are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    /// One at a time, on connections that stay open.
    KeepAlive,
    /// Each on a connection of its own.
    Close,
    /// So many in one write.
    Pipelined(usize),
    /// A POST with a body of so many bytes.
    Body(usize),
}

impl Wrk {
    /// Runs wrk for some seconds, with a thread on each of these cores. Returns what it counted and its share of a core.
    ///
    /// # Errors
    ///
    /// Where it cannot be run.
    pub fn run(&self, address: SocketAddr, seconds: u64, cores: &[usize], scratch: &Path) -> io::Result<(Count, f64)> {
        let said = run(
            self.command(address, seconds, cores.len(), scratch)?,
            cores,
            Duration::from_secs(seconds) + GRACE,
        )?;
        let mut count = parse(&said.output).unwrap_or_else(|| Count {
            errors: vec![format!("wrk said nothing of use: {}", said.complaints.trim())],
            ..Count::default()
        });
        if said.timed_out {
            count.errors.push("wrk had to be ended".to_owned());
        }
        Ok((count, said.cpu / cores.len() as f64))
    }

    /// The command that [`Wrk::run`] runs.
    ///
    /// # Errors
    ///
    /// Where its script cannot be written.
    pub fn command(&self, address: SocketAddr, seconds: u64, threads: usize, scratch: &Path) -> io::Result<Command> {
        let mut command = Command::new("wrk");
        command
            .arg(format!("-t{threads}"))
            .arg(format!("-c{}", self.connections))
            .arg(format!("-d{seconds}s"));
        match self.manner {
            Manner::KeepAlive => {}
            Manner::Close => {
                command.args(["-H", "Connection: close"]);
            }
            Manner::Pipelined(_) | Manner::Body(_) => {
                let file = scratch.join("wrk.lua");
                fs::write(&file, self.script())?;
                command.arg("-s").arg(file);
            }
        }
        command.arg(format!("http://{address}{}", self.path));
        Ok(command)
    }

    fn script(&self) -> String {
        let path = self.path;
        match self.manner {
            Manner::Pipelined(depth) => format!(
                "init = function() requests = string.rep(wrk.format('GET', '{path}'), {depth}) end\n\
                 request = function() return requests end\n"
            ),
            Manner::Body(bytes) => format!(
                "wrk.method = 'POST'\nwrk.headers['Content-Type'] = 'text/plain'\nwrk.body = string.rep('x', {bytes})\n"
            ),
            Manner::KeepAlive | Manner::Close => String::new(),
        }
    }
}

/// Reads wrk's report. None where it is none.
fn parse(output: &str) -> Option<Count> {
    let mut count = Count::default();
    let mut is_report = false;
    for line in output.lines().map(str::trim) {
        if let Some((requests, _)) = line.split_once(" requests in ") {
            count.requests = requests.parse().ok()?;
            is_report = true;
        } else if let Some(rate) = line.strip_prefix("Requests/sec:") {
            count.rate = rate.trim().parse().ok()?;
        } else if let Some(kinds) = line.strip_prefix("Socket errors: ") {
            let some = kinds.split(", ").filter(|kind| !kind.ends_with(" 0"));
            count.errors.extend(some.map(|kind| format!("socket errors: {kind}")));
        } else if let Some(number) = line.strip_prefix("Non-2xx or 3xx responses: ") {
            count.errors.push(format!("answers that are not 2xx or 3xx: {number}"));
        }
    }
    if is_report && count.requests == 0 {
        count.errors.push("no answers".to_owned());
    }
    is_report.then_some(count)
}

#[cfg(test)]
mod tests {
    use super::parse;

    const GOOD: &str = "Running 2s test @ http://127.0.0.1:9300/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.02ms  312.11us   9.11ms   88.00%
    Req/Sec    61.72k     2.31k   64.10k    70.00%
  123456 requests in 2.00s, 16.95MB read
Requests/sec:  61728.05
Transfer/sec:      8.48MB
";

    #[test]
    fn a_good_run_has_no_errors() {
        let count = parse(GOOD).unwrap();
        assert_eq!((count.requests, count.rate), (123_456, 61_728.05));
        assert!(count.errors.is_empty());
    }

    #[test]
    fn errors_are_told() {
        let lines =
            "16.95MB read\n  Socket errors: connect 0, read 17, write 0, timeout 3\n  Non-2xx or 3xx responses: 5\n";
        let count = parse(&GOOD.replace("16.95MB read\n", lines)).unwrap();
        assert_eq!(
            count.errors,
            [
                "socket errors: read 17",
                "socket errors: timeout 3",
                "answers that are not 2xx or 3xx: 5"
            ]
        );
    }

    #[test]
    fn none_at_all_is_an_error() {
        assert_eq!(parse(&GOOD.replace("123456", "0")).unwrap().errors, ["no answers"]);
    }

    #[test]
    fn anything_else_is_no_report() {
        assert_eq!(parse("unable to connect to 127.0.0.1:9300 Connection refused\n"), None);
    }
}
