//! Instructions in user space for one request of the `hello` example, counted by callgrind on the real io_uring.
//!
//! `instructions [--top N] [--server PATH] [--repeat N]`: without `--server` it builds the example first, as a release with
//! line tables, in a target directory of its own. Needs valgrind.
//!
//! The server is run twice, for few requests and for many; the difference is what the additional requests cost, without
//! the start and the end. All connections are driven at once, each with one write on its way, so that rounds are as full
//! as under load.

mod callgrind;
mod load;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{self, Path, PathBuf};
use std::process::{self, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use clap::Parser;
use ringlane_benches::exit;

use callgrind::Profile;
use load::Load;

/// How often each connection writes: to come into step, and to be measured on top of that.
const WRITES_BEFORE: usize = 32;
/// Requests that are measured, over all connections.
const MEASURED: usize = 40_960;
/// How long a server may take to listen, and to end after SIGTERM, when callgrind writes its file.
const LIMIT: Duration = Duration::from_secs(60);
/// How often it is looked at meanwhile.
const STEP: Duration = Duration::from_millis(50);

/// Instructions in user space for one request of the `hello` example.
#[derive(Debug, Parser)]
struct Options {
    /// How many functions to print, those that cost most first.
    #[arg(long, default_value_t = 0)]
    top: usize,
    /// A server to take instead of the `hello` example, with line tables.
    #[arg(long)]
    server: Option<PathBuf>,
    /// How often each figure is measured; the median is printed, and how far the others are away.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// How many connections there are.
    #[arg(long, default_value_t = 64)]
    connections: usize,
}

fn main() -> ExitCode {
    exit(measure(&Options::parse()))
}

fn measure(options: &Options) -> io::Result<()> {
    let server = match &options.server {
        Some(server) => server.clone(),
        None => build()?,
    };
    println!(
        "| {} connections | instructions per request |\n|---|---|",
        options.connections
    );
    let mut profiles = Vec::new();
    for (name, depth) in [("one request at a time", 1), ("16 pipelined", 16)] {
        let mut seen = Vec::new();
        for _ in 0..options.repeat.max(1) {
            seen.push(per_request(&server, options.connections, depth)?);
        }
        seen.sort_by(|one, other| one.total.total_cmp(&other.total));
        let median = seen.swap_remove(seen.len() / 2);
        let away = seen
            .iter()
            .map(|other| (other.total - median.total).abs())
            .fold(0.0, f64::max);
        match seen.len() {
            0 => println!("| {name} | {:.0} |", median.total),
            _ => println!("| {name} | {:.0} ± {away:.0} |", median.total),
        }
        profiles.push((name, median));
    }
    for (name, cost) in profiles.iter().filter(|_| options.top > 0) {
        print_top(name, cost, options.top);
    }
    Ok(())
}

/// What one request costs.
struct Cost {
    total: f64,
    functions: Vec<(String, f64)>,
}

fn print_top(name: &str, cost: &Cost, top: usize) {
    println!("\n| {name}: function, itself | instructions | share |\n|---|---|---|");
    for (function, instructions) in cost.functions.iter().take(top) {
        println!(
            "| {function} | {instructions:.1} | {:.1} % |",
            instructions * 100.0 / cost.total
        );
    }
}

fn per_request(server: &Path, connections: usize, depth: usize) -> io::Result<Cost> {
    let writes = (MEASURED / connections / depth).max(1);
    let load = |writes| Load {
        connections,
        depth,
        writes,
    };
    let few = run(server, &load(WRITES_BEFORE))?;
    let many = run(server, &load(WRITES_BEFORE + writes))?;
    let requests = (writes * connections * depth) as f64;
    let per_request = |few: u64, many: u64| (many as f64 - few as f64) / requests;
    let mut functions: BTreeMap<&String, (u64, u64)> = BTreeMap::new();
    for (function, cost) in &few.functions {
        functions.entry(function).or_default().0 += cost;
    }
    for (function, cost) in &many.functions {
        functions.entry(function).or_default().1 += cost;
    }
    let mut functions: Vec<(String, f64)> = functions
        .into_iter()
        .map(|(function, (few, many))| (function.clone(), per_request(few, many)))
        .collect();
    functions.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(Cost {
        total: per_request(few.total, many.total),
        functions,
    })
}

/// Builds the example as it is released, with line tables, which leave the code as it is.
fn build() -> io::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target),
        None => root.join("target"),
    };
    let target = path::absolute(target.join("instructions"))?; // Cargo is started elsewhere.
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args([
            "build",
            "--release",
            "--no-default-features",
            "-p",
            "ringlane-examples",
            "--example",
            "hello",
        ])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")
        .status()?;
    if status.success() {
        Ok(target.join("release/examples/hello"))
    } else {
        Err(io::Error::other("the hello example cannot be built"))
    }
}

/// Runs a server under callgrind for one load.
fn run(server: &Path, load: &Load) -> io::Result<Profile> {
    let file = env::temp_dir().join(format!("ringlane-callgrind-{}", process::id()));
    // The server cannot be waited for until it says where it listens; see `Server::wake`.
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(server)
        .args(["--addr", &address.to_string(), "--cores", "0"])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RINGLANE_")) {
        command.env_remove(name);
    }
    let process = command
        .spawn()
        .map_err(|error| io::Error::other(format!("valgrind cannot be started, is it installed? {error}")))?;
    let mut server = Server { process, address };
    server.wait_until_it_listens()?;
    run_apart(load, address)?;
    server.terminate()?;
    let profile = fs::read_to_string(&file).map(|text| Profile::parse(&text))?;
    fs::remove_file(&file)?;
    profile.ok_or_else(|| io::Error::other("callgrind has written a file that this program does not understand"))
}

/// Runs a load on the last core, away from the server: if the two took turns on one, rounds would be as full as it happens.
fn run_apart(load: &Load, address: SocketAddr) -> io::Result<()> {
    thread::scope(|scope| {
        let client = scope.spawn(|| {
            if let Some(core) = core_affinity::get_core_ids().and_then(|cores| cores.last().copied()) {
                core_affinity::set_for_current(core);
            }
            load.run(address)
        });
        client.join().map_err(|_| io::Error::other("the client has panicked"))?
    })
}

/// A server under callgrind; it is killed when it is dropped.
struct Server {
    process: process::Child,
    address: SocketAddr,
}

impl Server {
    fn wait_until_it_listens(&mut self) -> io::Result<()> {
        let until = Instant::now() + LIMIT;
        while self.wake().is_err() {
            if let Some(status) = self.process.try_wait()? {
                return Err(io::Error::other(format!("the server has ended at once with {status}")));
            }
            if Instant::now() > until {
                return Err(io::Error::other("the server does not listen"));
            }
            thread::sleep(STEP);
        }
        Ok(())
    }

    /// valgrind 3.19 runs one thread at a time, and takes `io_uring_enter` for a call that does not wait: while the core
    /// sleeps in it no other thread of the server runs. A connection wakes the core, and the others get their turn.
    fn wake(&self) -> io::Result<()> {
        TcpStream::connect(self.address).map(drop)
    }

    fn terminate(&mut self) -> io::Result<()> {
        // SAFETY: the call takes numbers only; the child has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.process.id() as i32, libc::SIGTERM) };
        let until = Instant::now() + LIMIT;
        while Instant::now() < until {
            match self.process.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(io::Error::other(format!("the server has ended with {status}"))),
                None => thread::sleep(STEP),
            }
            let _ = self.wake(); // It listens no more when it has understood.
        }
        Err(io::Error::other("the server does not end"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill(); // It may have ended by itself.
        let _ = self.process.wait();
    }
}
