//! What a server costs when nothing happens: until its first answer, at the start, and for each idle connection.
//!
//! Memory per connection is a slope between two numbers of connections that have each been served once. The kernel's part
//! is that of the whole machine, with the client's half taken off: half of what a pair of bare sockets costs.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::http::{ask, connect, request};
use crate::kernel::KernelMemory;
use crate::measure::Bench;
use crate::peers::Peer;
use crate::process::Memory;
use crate::results::IdleSample;
use crate::server::Server;
use crate::statistics::Spread;
use crate::system::check_interrupted;

/// Descriptors that are not for connections.
const RESERVED_DESCRIPTORS: usize = 200;
/// How many pairs of sockets tell what a client's half costs.
const PAIRS: usize = 6_000;
/// How long the kernel's memory is left to settle before and after they are made.
const PAIRS_SETTLING: Duration = Duration::from_millis(1_000);

/// How thoroughly.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often the start is measured in a round.
    pub starts: usize,
    /// The slope's lower end.
    pub few: usize,
    /// The slope's upper end.
    pub many: usize,
    /// How long memory is left to settle.
    pub settling: Duration,
}

impl Plan {
    /// The usual plan, within the limit on descriptors.
    pub fn new(quick: bool, descriptors: u64) -> Plan {
        let (starts, few, many, settling) = if quick {
            (3, 1_000, 6_000, 500)
        } else {
            (5, 2_000, 15_000, 1_500)
        };
        let many = many.min((descriptors as usize).saturating_sub(RESERVED_DESCRIPTORS));
        Plan {
            starts,
            few: few.min(many / 2),
            many,
            settling: Duration::from_millis(settling),
        }
    }

    /// About how long it takes for one participant.
    pub fn seconds(&self) -> f64 {
        self.starts as f64 * 0.15 + 3.0 * self.settling.as_secs_f64() + self.many as f64 * 150e-6 + 0.5
    }

    /// Measures a participant. `client_half` is what the kernel holds for each of the client's sockets.
    ///
    /// # Errors
    ///
    /// Where the server fails, or the run is interrupted.
    pub fn measure(&self, bench: &Bench<'_>, peer: &Peer, client_half: f64) -> io::Result<IdleSample> {
        let mut first_answer = Vec::new();
        for _ in 1..self.starts {
            first_answer.push(bench.start(peer, 1)?.first_answer.as_secs_f64() * 1e3);
        }
        let server = bench.start(peer, 1)?;
        first_answer.push(server.first_answer.as_secs_f64() * 1e3);
        thread::sleep(self.settling);
        let at_start = server.memory()?;

        let mut clients = Vec::with_capacity(self.many);
        open(&mut clients, self.few, server.address)?;
        let before = self.look(&server)?;
        open(&mut clients, self.many, server.address)?;
        let after = self.look(&server)?;
        drop(clients); // Before the server, which then ends at once.
        let slope = |before: f64, after: f64| (after - before) / (self.many - self.few) as f64;
        let process = |before: u64, after: u64| slope(before as f64 * 1024.0, after as f64 * 1024.0);
        Ok(IdleSample {
            participant: peer.name.clone(),
            round: 0,
            first_answer,
            at_start,
            connections: self.many,
            process: process(before.0.proportional, after.0.proportional),
            anonymous: process(before.0.anonymous, after.0.anonymous),
            kernel: slope(before.1.bytes, after.1.bytes) - client_half + after.1.uncounted_of_socket,
        })
    }

    fn look(&self, server: &Server) -> io::Result<(Memory, KernelMemory)> {
        thread::sleep(self.settling);
        Ok((server.memory()?, KernelMemory::read()?))
    }
}

/// Makes connections up to a number; each is served once.
fn open(clients: &mut Vec<TcpStream>, number: usize, address: SocketAddr) -> io::Result<()> {
    let request = request("/", 0);
    while clients.len() < number {
        let mut client = connect(address, clients.len())?;
        ask(&mut client, &request)
            .map_err(|error| io::Error::other(format!("connection {}: {error}", clients.len())))?;
        clients.push(client);
        if clients.len().is_multiple_of(100) {
            check_interrupted()?;
        }
    }
    Ok(())
}

/// How many bytes the kernel holds for a client's socket: the middle of three measurements, since what is still being
/// freed of earlier connections takes from it.
///
/// # Errors
///
/// What the system says.
pub fn client_half() -> io::Result<f64> {
    let halves = [half_of_pairs()?, half_of_pairs()?, half_of_pairs()?];
    Spread::of(halves)
        .map(|halves| halves.median)
        .ok_or_else(|| io::Error::other("a socket's memory cannot be measured"))
}

fn half_of_pairs() -> io::Result<f64> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut pairs = Vec::with_capacity(PAIRS);
    thread::sleep(PAIRS_SETTLING);
    let before = KernelMemory::read()?;
    for number in 0..PAIRS {
        let mut client = connect(address, number)?;
        let (mut accepted, _) = listener.accept()?;
        client.write_all(b"?")?;
        accepted.read_exact(&mut [0])?;
        accepted.write_all(b"!")?;
        client.read_exact(&mut [0])?;
        pairs.push((client, accepted));
    }
    thread::sleep(PAIRS_SETTLING);
    let after = KernelMemory::read()?;
    check_interrupted()?;
    Ok((after.bytes - before.bytes) / (2 * PAIRS) as f64)
}
