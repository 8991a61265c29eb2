//! What asks the servers: wrk and ab as programs, and a generator of requests at a fixed rate.

pub mod ab;
pub mod fixed;
pub mod wrk;

use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::system::{check_interrupted, pin};

/// What a load generator counted.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Count {
    /// Answers.
    pub requests: u64,
    /// Answers a second.
    pub rate: f64,
    /// What went wrong, in words.
    pub errors: Vec<String>,
}

/// What a program said, and what it took.
#[derive(Debug)]
pub struct Said {
    /// On standard output.
    pub output: String,
    /// On standard error.
    pub complaints: String,
    /// Its CPU time, as a share of one core, for as long as it ran.
    pub cpu: f64,
    /// Whether it had to be ended.
    pub timed_out: bool,
}

/// Runs a program on these cores to its end.
///
/// # Errors
///
/// Where it cannot be started, or the run is interrupted.
pub fn run(mut command: Command, cores: &[usize], limit: Duration) -> io::Result<Said> {
    let cores = cores.to_vec();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // SAFETY: between fork and exec nothing is allocated and only system calls are made.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            pin(&cores)
        });
    }
    let begin = Instant::now();
    let mut child = command.spawn()?;
    let pid = child.id() as i32;
    let mut complaints = child.stderr.take().expect("it is piped");
    let complaints = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = complaints.read_to_end(&mut text); // What came before an error is all there is.
        String::from_utf8_lossy(&text).into_owned()
    });
    let (done, waiting) = mpsc::channel::<()>();
    let watch = thread::spawn(move || {
        let late = waiting.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
        if late {
            // SAFETY: the call takes numbers; the child is waited for only after this thread has ended.
            unsafe { libc::kill(pid, libc::SIGKILL) };
        }
        late
    });
    let mut output = Vec::new();
    let read = child.stdout.take().expect("it is piped").read_to_end(&mut output);
    drop(done);
    let timed_out = watch.join().unwrap_or(true);
    let used = wait(pid)?;
    read?;
    check_interrupted()?;
    Ok(Said {
        output: String::from_utf8_lossy(&output).into_owned(),
        complaints: complaints.join().unwrap_or_default(),
        cpu: used.as_secs_f64() / begin.elapsed().as_secs_f64(),
        timed_out,
    })
}

/// Waits for a child and returns its CPU time.
fn wait(pid: i32) -> io::Result<Duration> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    loop {
        // SAFETY: no status is wanted, and an rusage is what the call writes.
        let waited = unsafe { libc::wait4(pid, std::ptr::null_mut(), 0, usage.as_mut_ptr()) };
        if waited == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    // SAFETY: an all-zero rusage is a valid one, and the call has filled it.
    let usage = unsafe { usage.assume_init() };
    let time = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1_000);
    Ok(time(usage.ru_utime) + time(usage.ru_stime))
}

#[cfg(test)]
mod tests {
    use super::run;
    use std::process::Command;
    use std::time::Duration;

    #[test]
    fn a_program_says_what_it_says() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo one; echo two >&2"]);
        let said = run(command, &[0], Duration::from_secs(10)).unwrap();
        assert_eq!((said.output.as_str(), said.complaints.as_str()), ("one\n", "two\n"));
        assert!(!said.timed_out);
    }

    #[test]
    fn one_that_does_not_end_is_ended() {
        let mut command = Command::new("sleep");
        command.arg("60");
        assert!(run(command, &[0], Duration::from_millis(50)).unwrap().timed_out);
    }
}
