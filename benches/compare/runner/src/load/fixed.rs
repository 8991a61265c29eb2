//! Requests at fixed moments, whatever the answers do (an open loop): latency counts from the moment for which a request
//! was planned, so that a server that stalls is charged for every request that should have been made meanwhile.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::http::{connect, extent, request};
use crate::system::check_interrupted;

/// How long answers are waited for when all requests are made.
const DRAIN: Duration = Duration::from_secs(1);
/// The longest latency that is told apart.
const LATENCY_MAX: Duration = Duration::from_secs(60);
/// How many events are taken at once.
const EVENTS: usize = 64;

/// What is to be asked, and when.
#[derive(Clone, Copy, Debug)]
pub struct Fixed {
    /// Requests a second.
    pub rate: f64,
    /// How many connections they are spread over.
    pub connections: usize,
    /// How long requests are made whose latency does not count.
    pub warm_up: Duration,
    /// How long requests are made whose latency counts.
    pub measured: Duration,
}

/// Latencies in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the requests took no longer.
    pub p50: f64,
    /// 99 % took no longer.
    pub p99: f64,
    /// 99.9 % took no longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// How late the generator itself was with 99.9 % of the requests for which there was a connection.
    pub late: f64,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Answers, those of the warm-up included.
    pub answers: u64,
    /// What went wrong, in words.
    pub errors: Vec<String>,
    /// Of the requests after the warm-up.
    pub latency: Latency,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// When the request that it is busy with was to be made.
    planned: Option<Instant>,
    /// Since when it has had nothing to do, where it has not.
    idle_since: Instant,
}

struct Generator {
    poll: OwnedFd,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    waiting: VecDeque<Instant>,
    request: Vec<u8>,
    counted_from: Instant,
    latencies: Histogram<u64>,
    lateness: Histogram<u64>,
    answers: u64,
}

impl Fixed {
    /// Makes the requests. Needs the core that it runs on for itself: it never sleeps, so as not to be late.
    ///
    /// # Errors
    ///
    /// Where the server closes a connection, or answers what is no answer.
    pub fn run(&self, address: SocketAddr) -> io::Result<Outcome> {
        let mut generator = Generator::new(address, self.connections)?;
        let begin = Instant::now() + Duration::from_millis(10);
        generator.counted_from = begin + self.warm_up;
        let requests = ((self.warm_up + self.measured).as_secs_f64() * self.rate) as u64;
        let moment = |number: u64| begin + Duration::from_secs_f64(number as f64 / self.rate);
        let end = moment(requests) + DRAIN;
        let mut next = 0;
        loop {
            let now = Instant::now();
            while next < requests && moment(next) <= now {
                generator.waiting.push_back(moment(next));
                next += 1;
            }
            generator.send()?;
            generator.receive()?;
            if next == requests && generator.answers == requests || now > end {
                break;
            }
            check_interrupted()?;
        }
        Ok(generator.finish(requests))
    }
}

impl Generator {
    fn new(address: SocketAddr, connections: usize) -> io::Result<Generator> {
        let histogram = || {
            Histogram::new_with_max(LATENCY_MAX.as_nanos() as u64, 3)
                .map_err(|error| io::Error::other(format!("no histogram: {error}")))
        };
        // SAFETY: the call takes a number; the descriptor that it returns is nobody else's.
        let poll = unsafe {
            let descriptor = libc::epoll_create1(libc::EPOLL_CLOEXEC);
            if descriptor < 0 {
                return Err(io::Error::last_os_error());
            }
            OwnedFd::from_raw_fd(descriptor)
        };
        let mut generator = Generator {
            poll,
            connections: Vec::new(),
            idle: (0..connections).collect(),
            waiting: VecDeque::new(),
            request: request("/", 0),
            counted_from: Instant::now(),
            latencies: histogram()?,
            lateness: histogram()?,
            answers: 0,
        };
        for number in 0..connections {
            let stream = connect(address, number)?;
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            generator.watch(&stream, number)?;
            generator.connections.push(Connection {
                stream,
                received: Vec::new(),
                planned: None,
                idle_since: Instant::now(),
            });
        }
        Ok(generator)
    }

    fn watch(&self, stream: &TcpStream, number: usize) -> io::Result<()> {
        let mut event = libc::epoll_event {
            events: libc::EPOLLIN as u32,
            u64: number as u64,
        };
        // SAFETY: both descriptors are open, and the event is a whole one.
        let result = unsafe {
            libc::epoll_ctl(
                self.poll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                stream.as_raw_fd(),
                &raw mut event,
            )
        };
        if result == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    }

    /// Makes the requests whose moment has come, as far as there are idle connections.
    fn send(&mut self) -> io::Result<()> {
        while let (Some(&planned), Some(&number)) = (self.waiting.front(), self.idle.front()) {
            let now = Instant::now();
            self.waiting.pop_front();
            self.idle.pop_front();
            let connection = &mut self.connections[number];
            connection.planned = Some(planned);
            // A request is far smaller than an empty socket's buffer, so that it is written whole.
            connection.stream.write_all(&self.request)?;
            // Where the request had to wait for a connection, the server is late, and not the generator.
            if planned >= self.counted_from && connection.idle_since <= planned {
                self.lateness.saturating_record((now - planned).as_nanos() as u64);
            }
        }
        Ok(())
    }

    /// Takes what has been answered.
    fn receive(&mut self) -> io::Result<()> {
        let mut events = [libc::epoll_event { events: 0, u64: 0 }; EVENTS];
        // SAFETY: the call writes at most as many events as there is room for.
        let ready = unsafe { libc::epoll_wait(self.poll.as_raw_fd(), events.as_mut_ptr(), EVENTS as i32, 0) };
        let mut buffer = [0; 16 * 1024];
        for event in &events[..ready.max(0) as usize] {
            let number = event.u64 as usize;
            let connection = &mut self.connections[number];
            match connection.stream.read(&mut buffer) {
                Ok(0) => return Err(io::Error::other("it closed a connection")),
                Ok(bytes) => connection.received.extend_from_slice(&buffer[..bytes]),
                Err(error) if [ErrorKind::WouldBlock, ErrorKind::Interrupted].contains(&error.kind()) => continue,
                Err(error) => return Err(error),
            }
            if extent(&connection.received)?.is_none_or(|(_, whole)| connection.received.len() < whole) {
                continue;
            }
            connection.received.clear();
            connection.idle_since = Instant::now();
            self.answers += 1;
            self.idle.push_back(number);
            if let Some(planned) = connection.planned.take() {
                record(&mut self.latencies, planned, self.counted_from);
            }
        }
        Ok(())
    }

    /// Those that have no answer yet count with the time that they have waited so far.
    fn finish(mut self, requests: u64) -> Outcome {
        let unanswered: Vec<Instant> = self
            .connections
            .iter()
            .filter_map(|connection| connection.planned)
            .chain(self.waiting.iter().copied())
            .collect();
        for &planned in &unanswered {
            record(&mut self.latencies, planned, self.counted_from);
        }
        let errors = match requests - self.answers {
            0 => Vec::new(),
            missing => vec![format!("not answered within {} s: {missing}", DRAIN.as_secs())],
        };
        let at = |histogram: &Histogram<u64>, quantile| histogram.value_at_quantile(quantile) as f64 / 1e3;
        Outcome {
            answers: self.answers,
            errors,
            latency: Latency {
                p50: at(&self.latencies, 0.5),
                p99: at(&self.latencies, 0.99),
                p999: at(&self.latencies, 0.999),
                max: self.latencies.max() as f64 / 1e3,
                late: at(&self.lateness, 0.999),
            },
        }
    }
}

fn record(latencies: &mut Histogram<u64>, planned: Instant, counted_from: Instant) {
    if planned >= counted_from {
        latencies.saturating_record(planned.elapsed().as_nanos() as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::Fixed;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn a_stall_is_charged_to_every_request_that_was_to_be_made_meanwhile() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            for number in 0.. {
                if stream.read(&mut [0; 100]).unwrap_or(0) == 0 {
                    break;
                }
                if number == 50 {
                    thread::sleep(Duration::from_millis(100));
                }
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
            }
        });
        let plan = Fixed {
            rate: 1_000.0,
            connections: 1,
            warm_up: Duration::ZERO,
            measured: Duration::from_millis(500),
        };
        let outcome = plan.run(address).unwrap();
        assert_eq!((outcome.answers, outcome.errors.len()), (500, 0));
        // A closed loop would have made one slow request out of 500, and 99 % would not show it.
        assert!(outcome.latency.p99 > 80_000.0, "{:?}", outcome.latency);
    }
}
