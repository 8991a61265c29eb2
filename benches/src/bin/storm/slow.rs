//! Clients that send or read slowly or not at all, many at once: the server has to end those that are too slow.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ringlane_benches::random::Random;

use crate::answers::parse_all;
use crate::tally::{Tally, show};
use crate::wire::{End, Wire};

/// By when the server has ended one that is too slow: its longest timeout, a quarter, and time to be late.
const END_LIMIT: Duration = Duration::from_secs(15);
/// How long one lives that is slow, but not too slow.
const LIFE_MS_MAX: usize = 8000;
const TICK: Duration = Duration::from_millis(10);

/// Asked for again and again where nothing is read: the kernel takes some megabytes before a server notices.
const LARGE: &str = "GET /large HTTP/1.1\r\nHost: storm\r\n\r\n";
const STREAM: &str = "GET /chunks?n=1000&size=1000 HTTP/1.1\r\nHost: storm\r\n\r\n";

/// What a slow client does.
#[derive(Clone, Copy)]
struct Habit {
    name: &'static str,
    /// Sent at once.
    first: &'static str,
    /// Sent bit by bit, again and again.
    then: &'static str,
    narrow: bool,
    /// How much it sends, and reads, each time, and how often.
    sends: usize,
    reads: usize,
    every: Duration,
    /// Whether the server has to end it.
    too_slow: bool,
}

const HABIT: Habit = Habit {
    name: "",
    first: "",
    then: "",
    narrow: false,
    sends: 0,
    reads: usize::MAX,
    every: Duration::from_millis(200),
    too_slow: true,
};

const HABITS: &[Habit] = &[
    Habit {
        name: "says nothing",
        ..HABIT
    },
    Habit {
        name: "says nothing more",
        first: "GET /small HTTP/1.1\r\nHost: storm\r\n\r\n",
        ..HABIT
    },
    Habit {
        name: "sends its head slowly",
        first: "GET /small HTTP/1.1\r\nHost: storm\r\n",
        then: "X-Field: value\r\n",
        sends: 1,
        ..HABIT
    },
    Habit {
        name: "sends its body slowly",
        first: "POST /whole HTTP/1.1\r\nHost: storm\r\nContent-Length: 100000\r\n\r\n",
        then: "body",
        sends: 4,
        ..HABIT
    },
    Habit {
        name: "streams its body slowly",
        first: "POST /stream HTTP/1.1\r\nHost: storm\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n",
        then: "body",
        sends: 4,
        ..HABIT
    },
    Habit {
        name: "sends an ignored body slowly",
        first: "POST /ignore HTTP/1.1\r\nHost: storm\r\nContent-Length: 100000\r\n\r\n",
        then: "body",
        sends: 4,
        ..HABIT
    },
    Habit {
        name: "never reads",
        first: LARGE,
        then: LARGE,
        narrow: true,
        sends: LARGE.len(),
        reads: 0,
        ..HABIT
    },
    Habit {
        name: "never reads a stream",
        first: STREAM,
        then: STREAM,
        narrow: true,
        sends: STREAM.len(),
        reads: 0,
        ..HABIT
    },
    Habit {
        name: "reads by drops",
        first: LARGE,
        then: LARGE,
        narrow: true,
        sends: LARGE.len(),
        reads: 10,
        ..HABIT
    },
    Habit {
        name: "reads slowly",
        first: LARGE,
        narrow: true, // A wide window opens again only when much of it has been read.
        reads: 2000,
        every: Duration::from_millis(20),
        too_slow: false,
        ..HABIT
    },
    Habit {
        name: "sends slowly enough",
        first: "POST /whole HTTP/1.1\r\nHost: storm\r\nContent-Length: 100000\r\n\r\n",
        then: "body and more of it, about as much as is asked for at the least, and a little",
        sends: 100,
        too_slow: false,
        ..HABIT
    },
    Habit {
        name: "is upgraded and slow",
        first: "GET /upgrade HTTP/1.1\r\nHost: storm\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n",
        then: "drop",
        sends: 1,
        reads: 1,
        too_slow: false,
        ..HABIT
    },
];

pub struct Slow<'a> {
    pub address: SocketAddr,
    pub random: Random,
    pub count: usize,
    pub tally: &'a Tally,
    pub stop: &'a AtomicBool,
}

struct Client {
    habit: Habit,
    wire: Wire,
    /// How much it has sent.
    sent: usize,
    since: Instant,
    next: Instant,
    /// When it goes, or should have been ended.
    until: Instant,
}

impl Slow<'_> {
    /// Keeps so many going.
    pub fn run(mut self) {
        let mut clients: Vec<Client> = Vec::new();
        while !self.stop.load(Ordering::Relaxed) {
            // A few at a time, so that they are not all at the same point of their lives.
            for _ in 0..(self.count - clients.len()).min(3) {
                clients.extend(self.begin());
            }
            let now = Instant::now();
            let mut index = 0;
            while index < clients.len() {
                if now >= clients[index].next && !self.go_on(&mut clients[index], now) {
                    let client = clients.swap_remove(index);
                    self.finish(client);
                } else {
                    index += 1;
                }
            }
            thread::sleep(TICK);
        }
        clients.into_iter().for_each(|client| self.finish(client));
    }

    fn begin(&mut self) -> Option<Client> {
        let habit = self.random.one_of(HABITS);
        let wire = if habit.narrow {
            Wire::connect_narrow(self.address, &mut self.random)
        } else {
            Wire::connect(self.address, &mut self.random)
        };
        let mut wire = match wire {
            Ok(wire) => wire,
            Err(error) => {
                self.tally.fail(&format!("a slow client cannot connect: {error}"), "");
                return None;
            }
        };
        self.tally.connected(habit.name);
        wire.send(habit.first.as_bytes());
        let now = Instant::now();
        let life = match habit.too_slow {
            true => END_LIMIT,
            false => Duration::from_millis(self.random.below(LIFE_MS_MAX) as u64),
        };
        Some(Client {
            habit,
            wire,
            sent: 0,
            since: now,
            next: now + habit.every,
            until: now + life,
        })
    }

    /// Sends and reads a little. False where the connection is over.
    fn go_on(&mut self, client: &mut Client, now: Instant) -> bool {
        let Client { habit, wire, sent, .. } = client;
        if !habit.then.is_empty() {
            let then = habit.then.as_bytes();
            let bytes: Vec<u8> = (0..habit.sends).map(|more| then[(*sent + more) % then.len()]).collect();
            *sent += wire.send(&bytes);
        }
        wire.receive(habit.reads);
        if wire.ended == End::Open && wire.is_reset() {
            wire.ended = End::Broken;
        }
        client.next = now + habit.every;
        wire.ended == End::Open && now < client.until
    }

    fn finish(&mut self, client: Client) {
        let Client {
            habit,
            wire,
            since,
            until,
            ..
        } = client;
        match parse_all(&wire.received) {
            Ok(statuses) => self.tally.answered(&statuses),
            Err(problem) => {
                let what = format!("one that {} is not answered in HTTP", habit.name);
                self.tally.fail(&what, &format!("{problem}: {}", show(&wire.received)));
            }
        }
        let details = || format!("after {:?}, received: {}", since.elapsed(), show(&wire.received));
        if habit.too_slow && wire.ended == End::Open && Instant::now() >= until {
            self.tally
                .fail(&format!("one that {} is not ended", habit.name), &details());
        }
        if !habit.too_slow && wire.ended != End::Open {
            self.tally
                .fail(&format!("one that {} is ended", habit.name), &details());
        }
        if self.random.once_in(2) {
            wire.reset();
        }
    }
}
