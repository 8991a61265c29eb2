//! The example binaries as processes: found, started, awaited and ended as a user would do it.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long an example may take to say that it is ready, or to refuse to start.
const START_LIMIT: Duration = Duration::from_secs(10);
/// The first of the users without rights (and groups) that tests run as; numbers that systems leave unused.
const FIRST_USER: u32 = 54_000;

/// An example's command, without the `RINGLANE_` variables of the surroundings.
pub fn example(name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(path(name));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("RINGLANE_") {
            command.env_remove(variable);
        }
    }
    command.args(arguments);
    command
}

/// Where cargo puts an example: tests lie in `target/PROFILE/deps`, examples in `target/PROFILE/examples`.
fn path(name: &str) -> PathBuf {
    let this = std::env::current_exe().expect("a test knows its own path");
    let profile = this.parent().and_then(|deps| deps.parent()).expect("target/PROFILE");
    let path = profile.join("examples").join(name);
    assert!(
        path.exists(),
        "{} is missing: run `cargo build --examples`, or `cargo test` without `--test`",
        path.display()
    );
    path
}

/// Has a command run without root's rights, where this process has them: as a user who runs nothing else, since some
/// limits count what a user runs.
pub fn without_root(command: &mut Command) {
    static NEXT_USER: AtomicU32 = AtomicU32::new(FIRST_USER);
    // SAFETY: the call takes nothing and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        let user = NEXT_USER.fetch_add(1, Ordering::Relaxed);
        command.uid(user).gid(user);
    }
}

/// A started process, which is killed where a test leaves it behind.
pub struct Process {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
}

/// How a process ended, and what it said.
pub struct Ending {
    pub status: ExitStatus,
    /// The lines of standard output that had not been read before.
    pub stdout: Vec<String>,
    pub stderr: String,
}

impl Process {
    pub fn spawn(command: &mut Command) -> io::Result<Process> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stdout = child.stdout.take().expect("it is piped");
        let mut errors = child.stderr.take().expect("it is piped");
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = thread::spawn(move || {
            let mut text = Vec::new();
            let _ = errors.read_to_end(&mut text); // What came before an error is all there is.
            String::from_utf8_lossy(&text).into_owned()
        });
        Ok(Process {
            child,
            lines,
            stderr: Some(stderr),
        })
    }

    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: the call takes numbers only; the child has not been waited for, so the number is still its own.
        assert_eq!(unsafe { libc::kill(self.pid(), signal) }, 0);
    }

    /// The next line of standard output; none where the process ended or let `limit` pass.
    fn line(&self, limit: Duration) -> Option<String> {
        self.lines.recv_timeout(limit).ok()
    }

    /// Waits for the end, which must come within `limit`.
    pub fn wait(mut self, limit: Duration) -> Ending {
        let until = Instant::now() + limit;
        let mut stdout = Vec::new();
        loop {
            match self.lines.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(line) => stdout.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    let stderr = self.kill();
                    panic!("it did not end within {limit:?}; it had said: {stdout:?} {stderr}");
                }
            }
        }
        let status = self.child.wait().expect("the child can be waited for");
        Ending {
            status,
            stdout,
            stderr: self.take_stderr(),
        }
    }

    /// Ends it at once. Returns what it had said on standard error.
    fn kill(&mut self) -> String {
        let _ = self.child.kill(); // It may have ended by itself.
        let _ = self.child.wait();
        self.take_stderr()
    }

    fn take_stderr(&mut self) -> String {
        self.stderr
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.stderr.is_some() {
            self.kill();
        }
    }
}

/// An example that listens.
pub struct Server {
    process: Process,
    pub address: SocketAddr,
    /// The cores of its ready line, as it writes them.
    pub cores: String,
}

impl Server {
    /// Starts an example on a port of the system's choice.
    pub fn start(name: &str, arguments: &[&str]) -> Server {
        let mut command = example(name, &["--addr", "127.0.0.1:0"]);
        Server::start_command(command.args(arguments))
    }

    pub fn start_command(command: &mut Command) -> Server {
        let process = Process::spawn(command).expect("the example can be started");
        Server::try_ready(process).unwrap_or_else(|ending| panic!("it did not start: {}", ending.stderr))
    }

    /// Waits until the process listens, or has ended instead.
    pub fn try_ready(process: Process) -> Result<Server, Ending> {
        let Some(line) = process.line(START_LIMIT) else {
            return Err(process.wait(START_LIMIT));
        };
        let (address, cores) = line
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.split_once(" on cores "))
            .unwrap_or_else(|| panic!("this is no ready line: {line}"));
        Ok(Server {
            address: address.parse().expect("the ready line names an address"),
            cores: cores.to_owned(),
            process,
        })
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    pub fn signal(&self, signal: libc::c_int) {
        self.process.signal(signal);
    }

    pub fn wait(self, limit: Duration) -> Ending {
        self.process.wait(limit)
    }
}

/// Runs a command that is to refuse to start, to its end.
pub fn refuse(command: &mut Command) -> io::Result<Ending> {
    Ok(Process::spawn(command)?.wait(START_LIMIT))
}
