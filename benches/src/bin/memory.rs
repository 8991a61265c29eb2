//! How fast a server starts, how much memory it has then, and how much each idle connection adds.
//!
//! `memory [SERVER [ARGUMENT…]]`: without arguments the release build of the `hello` example on core 0. A server prints
//! `listening on http://ADDRESS …` when it is ready.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};
use std::{env, fs};

use ringlane_benches::connecting::connect;
use ringlane_benches::process::{Memory, kib};
use ringlane_benches::{exit, raise_descriptor_limit};

/// How often the start is measured.
const STARTS: usize = 11;
/// The numbers of connections between which the slope is taken, and those at which memory is looked at in between.
const STEPS: [usize; 4] = [2_000, 5_000, 10_000, 15_000];
/// Descriptors that are not for connections, on the larger side.
const RESERVED_DESCRIPTORS: usize = 100;
/// How long a server may take to give back what it needed for serving.
const SETTLING: Duration = Duration::from_millis(2_500);
const LIMIT: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    exit(measure())
}

fn measure() -> io::Result<()> {
    let command = command()?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(Server::start(&command)?.first_answer);
    }
    starts.sort_unstable();
    let server = Server::start(&command)?;
    println!("`{}`\n", command.join(" "));
    print_start(&server, starts[STARTS / 2])?;
    print_slope(&server)
}

/// The command line of the server.
fn command() -> io::Result<Vec<String>> {
    let given: Vec<String> = env::args().skip(1).collect();
    if !given.is_empty() {
        return Ok(given);
    }
    let hello = env::current_exe()?.with_file_name("examples").join("hello");
    if !hello.exists() {
        return Err(io::Error::other(format!(
            "{} is missing: cargo build --release -p ringlane-examples --example hello",
            hello.display()
        )));
    }
    let options = ["--addr", "127.0.0.1:0", "--cores", "0"].map(String::from);
    Ok([hello.display().to_string()].into_iter().chain(options).collect())
}

/// A server that listens; it is killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    /// As it was when it was ready and had not been asked anything.
    at_start: Memory,
    /// From before it was started to the end of its first answer.
    first_answer: Duration,
}

impl Server {
    fn start(command: &[String]) -> io::Result<Server> {
        let begin = Instant::now();
        let mut child = Command::new(&command[0])
            .args(&command[1..])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| io::Error::other(format!("{} cannot be started: {error}", command[0])))?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
        let address = line
            .strip_prefix("listening on http://")
            .and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        let Some(address) = address else {
            let _ = child.kill(); // It may have ended by itself.
            child.wait()?;
            return Err(io::Error::other(format!("{} did not say where it listens", command[0])));
        };
        let ready = begin.elapsed();
        let at_start = Memory::of(child.id())?;
        let asked = Instant::now();
        let mut server = Server {
            child,
            address,
            at_start,
            first_answer: ready,
        };
        ask(&mut TcpStream::connect(address)?)?;
        server.first_answer += asked.elapsed();
        Ok(server)
    }

    fn proc(&self) -> PathBuf {
        Path::new("/proc").join(self.child.id().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill(); // It may have ended by itself.
        let _ = self.child.wait();
    }
}

fn print_start(server: &Server, first_answer: Duration) -> io::Result<()> {
    let status = fs::read_to_string(server.proc().join("status"))?;
    let at_start = server.at_start;
    let answered = Memory::of(server.child.id())?;
    println!("| at the start | |\n|---|---|");
    println!(
        "| exec to first answer, median of {STARTS} | {:.1} ms |",
        first_answer.as_secs_f64() * 1e3
    );
    for (when, memory) in [("ready", at_start), ("one request answered", answered)] {
        println!(
            "| resident, {when} | {} KiB = {} KiB of its own + {} KiB of files |",
            memory.all, memory.anonymous, memory.file
        );
    }
    println!("| address space | {} KiB |", kib(&status, "VmSize:")?);
    println!("| threads | {} |", kib(&status, "Threads:")?);
    println!("| descriptors | {} |", fs::read_dir(server.proc().join("fd"))?.count());
    println!(
        "| program file | {} KiB |",
        fs::metadata(server.proc().join("exe"))?.len() / 1024
    );
    Ok(())
}

fn print_slope(server: &Server) -> io::Result<()> {
    let allowed = (raise_descriptor_limit()? as usize).saturating_sub(RESERVED_DESCRIPTORS);
    let mut steps: Vec<usize> = STEPS.into_iter().map(|step| step.min(allowed)).collect();
    steps.dedup();
    println!("\n| idle connections | resident KiB | of its own KiB | kernel slab KiB |\n|---|---|---|---|");
    let mut clients = Vec::new();
    let mut seen = Vec::new();
    for step in steps {
        while clients.len() < step {
            let mut client = connect(server.address, clients.len())?;
            ask(&mut client)?;
            clients.push(client);
        }
        seen.push((step, print_row(server, step)?));
    }
    drop(clients);
    print_row(server, 0)?;

    let (Some((few, before)), Some((many, after))) = (seen.first(), seen.last()) else {
        return Ok(());
    };
    if allowed < STEPS[STEPS.len() - 1] {
        println!("\nThe limit on descriptors (ulimit -Hn) ended this at {many} connections.");
    }
    if few == many {
        return Ok(());
    }
    let slope = |before: u64, after: u64| (after as f64 - before as f64) * 1024.0 / (many - few) as f64;
    println!("\n| per idle connection, {few} to {many} | bytes |\n|---|---|");
    println!("| process memory, resident | {:.0} |", slope(before.0.all, after.0.all));
    println!(
        "| process memory of its own | {:.0} |",
        slope(before.0.anonymous, after.0.anonymous)
    );
    println!(
        "| kernel slab of the whole machine, the client's half included | {:.0} |",
        slope(before.1, after.1)
    );
    Ok(())
}

/// Prints the server's memory and the kernel's slab, in KiB, once they have settled.
fn print_row(server: &Server, connections: usize) -> io::Result<(Memory, u64)> {
    thread::sleep(SETTLING);
    let memory = Memory::of(server.child.id())?;
    let slab = kib(&fs::read_to_string("/proc/meminfo")?, "Slab:")?;
    let label = if connections == 0 {
        "0, all closed".to_owned()
    } else {
        connections.to_string()
    };
    println!("| {label} | {} | {} | {slab} |", memory.all, memory.anonymous);
    Ok((memory, slab))
}

/// Sends a request and reads its whole answer, which must be a 200.
fn ask(stream: &mut TcpStream) -> io::Result<()> {
    stream.set_read_timeout(Some(LIMIT))?;
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    while !is_whole(&answer) {
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::other("the server closed a connection")),
            bytes => answer.extend_from_slice(&buffer[..bytes]),
        }
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(io::Error::other("the server did not answer 200"))
    }
}

/// Whether an answer has all the bytes that its Content-Length says.
fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("content-length:")?
            .trim()
            .parse()
            .ok()
    });
    body.len() >= length.unwrap_or(0)
}
