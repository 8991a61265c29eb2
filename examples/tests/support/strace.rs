//! A process's system calls, counted by strace(1).

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

/// strace at work on a process; it lets go of it when it is dropped.
pub struct Strace {
    child: Child,
    output: PathBuf,
    /// Kept open: strace says when it lets go, and would end of a broken pipe before it has written its output.
    _stderr: BufReader<ChildStderr>,
}

/// One system call: when it was made, in seconds since 1970, and its name.
#[derive(Debug)]
pub struct Call {
    pub at: f64,
    pub name: String,
}

impl Strace {
    /// Attaches to all threads of a process. The error says why that cannot be.
    pub fn attach(pid: i32, options: &[&str]) -> Result<Strace, String> {
        let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("strace-{pid}"));
        let mut child = Command::new("strace")
            .args(["-f", "-p", &pid.to_string(), "-o"])
            .arg(&output)
            .args(options)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("strace cannot be started ({error})"))?;
        let mut said = String::new();
        let mut stderr = BufReader::new(child.stderr.take().expect("it is piped"));
        while !said.contains(" attached") && stderr.read_line(&mut said).is_ok_and(|bytes| bytes > 0) {}
        let strace = Strace {
            child,
            output,
            _stderr: stderr,
        };
        if said.contains(" attached") {
            Ok(strace)
        } else {
            Err(format!("strace cannot trace the server ({})", said.trim()))
        }
    }

    /// Lets go of the process, and returns what was written.
    fn finish(mut self) -> String {
        self.end();
        fs::read_to_string(&self.output).expect("strace has written its output")
    }

    /// How often each system call was made; to be attached with `-c`.
    pub fn counts(self) -> BTreeMap<String, u64> {
        let table = self.finish();
        // % time, seconds, usecs/call, calls, errors where there are any, name
        let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|columns| columns.len() >= 5 && columns.last() != Some(&"total"))
            .filter_map(|columns| Some(((*columns.last()?).to_owned(), columns[3].parse().ok()?)))
            .collect()
    }

    /// The calls one by one; to be attached with `-ttt`.
    pub fn calls(self) -> Vec<Call> {
        let text = self.finish();
        let calls = text.lines().filter_map(|line| {
            let mut columns = line.split_whitespace().skip(1); // Behind the thread's number.
            let at = columns.next()?.parse().ok()?;
            let (name, _) = columns.next()?.split_once('(')?; // Not where a call resumes or a signal comes.
            Some(Call {
                at,
                name: name.to_owned(),
            })
        });
        calls.collect()
    }

    fn end(&mut self) {
        // SAFETY: the call takes numbers only; the child has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as i32, libc::SIGINT) };
        let _ = self.child.wait(); // It may have ended with the process that it traced.
    }
}

impl Drop for Strace {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
        let _ = fs::remove_file(&self.output);
    }
}

/// Now, as strace writes it.
pub fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("it is later than 1970")
        .as_secs_f64()
}
