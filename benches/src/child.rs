//! A server as a child of this program: started, asked, looked at from outside, and ended, whatever happens.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::process::{self, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{env, fs};

use crate::process::Memory;

/// How long the child may take for a line.
const LIMIT: Duration = Duration::from_secs(10);

/// A running server; it is killed when it is dropped.
pub struct Child {
    process: process::Child,
    questions: ChildStdin,
    lines: Receiver<String>,
    errors: Option<JoinHandle<String>>,
    /// Where it listens.
    pub address: SocketAddr,
}

/// How a server ended.
pub struct Ending {
    /// None where it had to be killed.
    pub status: Option<ExitStatus>,
    /// What it said on standard error.
    pub errors: String,
}

/// What one core holds (`ringlane::Usage`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Accepted and not closed.
    pub connections: usize,
    /// Those that are not idle.
    pub exchanges: usize,
    /// Pending handlers, streams and upgraded connections.
    pub tasks: usize,
    /// Pooled buffers.
    pub buffers: usize,
    /// Heads outside of the pool.
    pub head_bytes: usize,
}

impl Usage {
    /// All cores together.
    pub fn sum(cores: &[Usage]) -> Usage {
        cores.iter().fold(Usage::default(), |sum, core| Usage {
            connections: sum.connections + core.connections,
            exchanges: sum.exchanges + core.exchanges,
            tasks: sum.tasks + core.tasks,
            buffers: sum.buffers + core.buffers,
            head_bytes: sum.head_bytes + core.head_bytes,
        })
    }

    fn parse(core: &str) -> Option<Usage> {
        let numbers: Result<Vec<usize>, _> = core.split_whitespace().map(str::parse).collect();
        match numbers.ok()?[..] {
            [_, connections, exchanges, tasks, buffers, head_bytes] => Some(Usage {
                connections,
                exchanges,
                tasks,
                buffers,
                head_bytes,
            }),
            _ => None,
        }
    }
}

impl fmt::Display for Usage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Usage {
            connections,
            exchanges,
            tasks,
            buffers,
            head_bytes,
        } = self;
        write!(
            out,
            "{connections} connections, {exchanges} exchanges, {tasks} tasks, {buffers} buffers, {head_bytes} bytes of heads"
        )
    }
}

impl Child {
    /// Starts this program as a server, with these knobs and no others (`("idle_timeout", "5s")`).
    ///
    /// # Errors
    ///
    /// Where it does not come up.
    pub fn start(knobs: &[(&str, String)]) -> io::Result<Child> {
        let mut command = Command::new(env::current_exe()?);
        command.arg("--serve");
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RINGLANE_")) {
            command.env_remove(name);
        }
        for (knob, value) in knobs {
            command.env(format!("RINGLANE_{}", knob.to_ascii_uppercase()), value);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take().expect("it is piped");
        let answers = process.stdout.take().expect("it is piped");
        let mut said = process.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(answers).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let errors = thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = said.read_to_end(&mut bytes); // What came before an error is all there is.
            String::from_utf8_lossy(&bytes).into_owned()
        });
        let mut child = Child {
            process,
            questions,
            lines,
            errors: Some(errors),
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
        };
        let line = child.lines.recv_timeout(LIMIT).unwrap_or_default();
        let address = line
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        match address {
            Some(address) => {
                child.address = address;
                Ok(child)
            }
            None => Err(io::Error::other(format!(
                "the server did not start: {}",
                child.kill().errors
            ))),
        }
    }

    /// Its number.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// What each of its cores holds.
    ///
    /// # Errors
    ///
    /// Where it does not answer.
    pub fn usage(&mut self) -> io::Result<Vec<Usage>> {
        self.questions.write_all(b"usage\n")?;
        let line = self
            .lines
            .recv_timeout(LIMIT)
            .map_err(|_| io::Error::other("the server does not say what it holds"))?;
        let cores: Option<Vec<Usage>> = line
            .strip_prefix("usage ")
            .and_then(|cores| cores.split(',').map(Usage::parse).collect());
        cores.ok_or_else(|| io::Error::other(format!("the server says {line:?}")))
    }

    /// Asks again and again until it holds nothing. None where that takes longer than `limit`.
    ///
    /// # Errors
    ///
    /// As [`Child::usage`].
    pub fn wait_for_nothing(&mut self, limit: Duration) -> io::Result<Option<Duration>> {
        let begin = Instant::now();
        loop {
            if Usage::sum(&self.usage()?) == Usage::default() {
                return Ok(Some(begin.elapsed()));
            }
            if begin.elapsed() > limit {
                return Ok(None);
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its resident memory.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub fn memory(&self) -> io::Result<Memory> {
        Memory::of(self.pid())
    }

    /// How many descriptors it has open.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub fn descriptors(&self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/fd", self.pid()))?.count())
    }

    /// CPU time that it has used, user and system.
    ///
    /// # Errors
    ///
    /// Where it has ended.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
        // Behind the name in parentheses: utime and stime are the 14th and 15th column (proc(5)).
        let columns = stat
            .rsplit_once(')')
            .map_or("", |(_, columns)| columns)
            .split_whitespace();
        let ticks: u64 = columns
            .skip(11)
            .take(2)
            .filter_map(|column| column.parse::<u64>().ok())
            .sum();
        // SAFETY: the call takes a number and returns one.
        let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as f64;
        Ok(Duration::from_secs_f64(ticks as f64 / per_second))
    }

    /// Sends SIGTERM and waits; after `limit` it is killed.
    pub fn terminate(mut self, limit: Duration) -> Ending {
        let until = Instant::now() + limit;
        if self.is_running() {
            // SAFETY: the call takes numbers only; the child has not been waited for, so the number is still its own.
            unsafe { libc::kill(self.pid() as i32, libc::SIGTERM) };
        }
        while Instant::now() < until {
            if let Ok(Some(status)) = self.process.try_wait() {
                return Ending {
                    status: Some(status),
                    errors: self.take_errors(),
                };
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.kill()
    }

    fn kill(&mut self) -> Ending {
        let _ = self.process.kill(); // It may have ended by itself.
        let _ = self.process.wait();
        Ending {
            status: None,
            errors: self.take_errors(),
        }
    }

    fn take_errors(&mut self) -> String {
        self.errors
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}
