//! A participant as a running server: started on its cores, ready when it answers, and ended with all its descendants.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::http::{Answer, ask, connect, request};
use crate::peers::Peer;
use crate::process::{CpuReading, Memory, parent, tree};
use crate::system::{check_interrupted, pin};

/// How long a server may take until it answers.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// How often a server that is starting is asked.
const START_INTERVAL: Duration = Duration::from_micros(200);
/// How long it may take to end after SIGTERM.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A directory for everything that lives as long as the run; removed with it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// A new one, in the system's directory for temporary files.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn new() -> io::Result<Scratch> {
        let path = std::env::temp_dir().join(format!("ringlane-compare-{}", std::process::id()));
        fs::create_dir_all(&path)?;
        Ok(Scratch(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    fn sub_directory(&self) -> io::Result<PathBuf> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let path = self.0.join(NUMBER.fetch_add(1, Ordering::Relaxed).to_string());
        fs::create_dir(&path)?;
        Ok(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0); // What is left lies in a directory for temporary files.
    }
}

/// A running server. It is ended when it is dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Its first answer to GET /.
    pub answer: Answer,
    /// From before it was started to the end of that answer.
    pub first_answer: Duration,
    directory: PathBuf,
}

impl Server {
    /// Starts a participant on these cores, with a thread for each, and waits until it has answered.
    ///
    /// # Errors
    ///
    /// Where it does not come up, with what it said.
    pub fn start(peer: &Peer, commands_in: &Path, cores: &[usize], scratch: &Scratch) -> io::Result<Server> {
        let directory = scratch.sub_directory()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
        let mut command = command(peer, address, cores.len(), &directory);
        command.current_dir(commands_in);
        command
            .stdin(Stdio::null())
            .stdout(File::create(directory.join("stdout"))?)
            .stderr(File::create(directory.join("stderr"))?)
            .process_group(0); // Ctrl-C is for the runner, which ends it in order.
        let cores = cores.to_vec();
        // SAFETY: between fork and exec nothing is allocated and only system calls are made.
        unsafe {
            command.pre_exec(move || {
                // Should the runner be killed, its server ends, too: by SIGTERM, which it passes on to its workers.
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
                pin(&cores)
            });
        }
        let begin = Instant::now();
        let child = command.spawn().map_err(|error| {
            let _ = fs::remove_dir_all(&directory);
            io::Error::other(format!("{} cannot be started: {error}", peer.start[0]))
        })?;
        let mut server = Server {
            child,
            address,
            answer: Answer {
                head: String::new(),
                body: Vec::new(),
            },
            first_answer: Duration::ZERO,
            directory,
        };
        server.answer = server.wait_for_answer(begin)?;
        server.first_answer = begin.elapsed();
        Ok(server)
    }

    fn wait_for_answer(&mut self, begin: Instant) -> io::Result<Answer> {
        let mut last;
        loop {
            match connect(self.address, 0).and_then(|mut stream| ask(&mut stream, &request("/", 0))) {
                Ok(answer) => return Ok(answer),
                Err(error) => last = error,
            }
            check_interrupted()?;
            if let Some(status) = self.child.try_wait()? {
                return Err(io::Error::other(format!("it ended with {status}{}", self.complaint())));
            }
            if begin.elapsed() > START_TIMEOUT {
                return Err(io::Error::other(format!(
                    "it did not answer within {} s: {last}{}",
                    START_TIMEOUT.as_secs(),
                    self.complaint()
                )));
            }
            thread::sleep(START_INTERVAL);
        }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.child.id() as i32
    }

    /// What it and its descendants have used so far.
    pub fn cpu(&self) -> CpuReading {
        CpuReading::of(&tree(self.pid()))
    }

    /// Its memory and that of its descendants.
    ///
    /// # Errors
    ///
    /// Where one of them ends meanwhile.
    pub fn memory(&self) -> io::Result<Memory> {
        Memory::of(&tree(self.pid()))
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The last line that it wrote to standard error or, where there is none, to standard output.
    fn complaint(&self) -> String {
        let last_line = |name| -> Option<String> {
            let text = fs::read(self.directory.join(name)).ok()?;
            let text = String::from_utf8_lossy(&text).into_owned();
            let line = text.lines().rfind(|line| !line.trim().is_empty())?;
            Some(format!(": {}", line.trim().chars().take(300).collect::<String>()))
        };
        last_line("stderr").or_else(|| last_line("stdout")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let descendants = tree(self.pid());
        if self.is_running() {
            // SAFETY: the call takes numbers only; the child has not been waited for, so the number is still its own.
            unsafe { libc::kill(self.pid(), libc::SIGTERM) };
        }
        let until = Instant::now() + END_TIMEOUT;
        while self.is_running() && Instant::now() < until {
            thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill(); // It may have ended by itself.
        let _ = self.child.wait();
        for &pid in &descendants[1..] {
            end_orphan(pid, until);
        }
        let _ = fs::remove_dir_all(&self.directory); // The whole scratch directory is removed later.
    }
}

/// Ends what a server left behind. Orphans are this process's children, so that no number can have become another's.
fn end_orphan(pid: i32, until: Instant) {
    let me = std::process::id() as i32;
    loop {
        if parent(pid) != Some(me) {
            return;
        }
        // SAFETY: the calls take numbers; a null pointer is allowed where no status is wanted.
        unsafe {
            if libc::waitpid(pid, std::ptr::null_mut(), libc::WNOHANG) != 0 {
                return;
            }
            if Instant::now() >= until {
                libc::kill(pid, libc::SIGKILL);
                libc::waitpid(pid, std::ptr::null_mut(), 0);
                return;
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn command(peer: &Peer, address: SocketAddr, threads: usize, directory: &Path) -> Command {
    let replace = |word: &String| {
        word.replace("{host}", &address.ip().to_string())
            .replace("{port}", &address.port().to_string())
            .replace("{address}", &address.to_string())
            .replace("{threads}", &threads.to_string())
            .replace("{scratch}", &directory.display().to_string())
    };
    let mut command = Command::new(replace(&peer.start[0]));
    command.args(peer.start[1..].iter().map(replace));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("RINGLANE_") {
            command.env_remove(name); // They would change its defaults.
        }
    }
    command
}

/// A port that nobody listens on, and that no connection of an earlier measurement lingers on.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
