//! What all connections of a core have in common: its ring, its supply of memory, its timers, its clock and its limits.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use http::StatusCode;
use ringlane_pool::{Key, Pool};
use ringlane_protocol::date::Date;

use crate::config::Config;
use crate::connection::{Exchange, Terms};
use crate::counters::Counters;
use crate::event::Event;
use crate::handler::{Answer, Handler};
use crate::pipe::Pipe;
use crate::shared::Shared;
use crate::supply::Supply;
use crate::timers::{Millis, Timers};

/// How many exchanges that have ended a core keeps for their next use, and how many pipes.
const SPARE_EXCHANGES_MAX: usize = 256;
const SPARE_PIPES_MAX: usize = 64;

/// A core, as its connections see it.
pub(crate) struct Context<R> {
    pub(crate) ring: R,
    pub(crate) supply: Supply,
    pub(crate) timers: Timers,
    pub(crate) handler: Box<dyn Handler>,
    /// Where the handler's calls leave their responses.
    pub(crate) answer: Answer,
    pub(crate) shared: Rc<Shared>,
    pub(crate) limits: Limits,
    pub(crate) clock: Clock,
    pub(crate) counters: Counters,
    /// Connections that something happened to in this round, each once.
    pub(crate) touched: Vec<Key>,
    /// Connections that have more to do than one round allows, each once.
    pub(crate) put_off: Vec<Key>,
    /// Connections whose receiving ended for want of a buffer, and when it did, the longest waiting first.
    pub(crate) starved: VecDeque<(Key, Millis)>,
    /// The server is stopping: responses close their connections.
    pub(crate) draining: bool,
    /// It has been stopping for so long that connections without a request are closed.
    pub(crate) closes_idle: bool,
    #[expect(clippy::vec_box, reason = "connections hold the box, so that idle ones are small")]
    spare_exchanges: Vec<Box<Exchange>>,
    /// How many are in use.
    exchanges: usize,
    /// Pipes that nobody else holds.
    spare_pipes: Vec<Rc<Pipe>>,
}

impl<R> Context<R> {
    pub(crate) fn new(
        ring: R,
        pool: Pool,
        handler: Box<dyn Handler>,
        shared: Rc<Shared>,
        config: &Config,
    ) -> Context<R> {
        Context {
            ring,
            supply: Supply::new(pool),
            timers: Timers::new(),
            answer: handler.answer().clone(),
            handler,
            shared,
            limits: Limits::new(config),
            clock: Clock::new(),
            counters: Counters::default(),
            touched: Vec::new(),
            put_off: Vec::new(),
            starved: VecDeque::new(),
            draining: false,
            closes_idle: false,
            spare_exchanges: Vec::new(),
            exchanges: 0,
            spare_pipes: Vec::new(),
        }
    }

    /// A pipe for the body of a connection's request.
    pub(crate) fn take_pipe(&mut self, key: Key) -> Rc<Pipe> {
        if let Some(mut spare) = self.spare_pipes.pop()
            && let Some(pipe) = Rc::get_mut(&mut spare)
        {
            pipe.renew(key);
            return spare;
        }
        Pipe::new(Rc::clone(&self.shared), key)
    }

    /// Keeps a pipe for its next use, unless somebody still holds it.
    pub(crate) fn recycle_pipe(&mut self, pipe: Rc<Pipe>) {
        if Rc::strong_count(&pipe) == 1 && self.spare_pipes.len() < SPARE_PIPES_MAX {
            pipe.retire();
            self.spare_pipes.push(pipe);
        }
    }

    pub(crate) fn take_exchange(&mut self) -> Box<Exchange> {
        self.exchanges += 1;
        self.spare_exchanges.pop().unwrap_or_default()
    }

    /// Takes an exchange back that has nothing under way any more.
    pub(crate) fn recycle_exchange(&mut self, mut exchange: Box<Exchange>) {
        exchange.reset(&mut self.supply);
        self.keep_exchange(exchange);
    }

    /// Takes an exchange back that has come to its end in the ordinary way.
    pub(crate) fn recycle_over(&mut self, mut exchange: Box<Exchange>) {
        exchange.reset_over();
        self.keep_exchange(exchange);
    }

    fn keep_exchange(&mut self, exchange: Box<Exchange>) {
        self.exchanges -= 1;
        if self.spare_exchanges.len() < SPARE_EXCHANGES_MAX {
            self.spare_exchanges.push(exchange);
        }
    }

    /// Counts an event, and tells the service.
    pub(crate) fn report(&self, event: &Event<'_>) {
        self.counters.count_event(event);
        self.handler.handle_event(event);
    }

    /// Reports that the engine answers a request itself, or would if its response had not begun.
    pub(crate) fn report_refusal(&self, status: StatusCode, reason: &str) {
        self.report(&Event::Refused { status, reason });
    }

    /// How many exchanges are under way.
    pub(crate) fn exchanges(&self) -> usize {
        self.exchanges
    }
}

/// The knobs that a connection obeys, in the units in which it counts.
pub(crate) struct Limits {
    pub(crate) head: ringlane_protocol::Limits,
    pub(crate) head_timeout: Millis,
    pub(crate) idle_timeout: Millis,
    pub(crate) body: Terms,
    pub(crate) write: Terms,
    pub(crate) close_timeout: Millis,
    pub(crate) close_bytes_max: u64,
    pub(crate) body_bytes_max: u64,
    pub(crate) discard_bytes_max: u64,
    pub(crate) input_buffers_max: usize,
    pub(crate) output_bytes_max: usize,
    pub(crate) requests_max: u32,
}

impl Limits {
    fn new(config: &Config) -> Limits {
        let millis = |duration: Duration| Millis::try_from(duration.as_millis()).unwrap_or(Millis::MAX / 4);
        Limits {
            head: ringlane_protocol::Limits {
                target_bytes_max: config.target_bytes_max,
                head_bytes_max: config.head_bytes_max,
                fields_max: config.fields_max as usize,
            },
            head_timeout: millis(config.head_timeout),
            idle_timeout: millis(config.idle_timeout),
            body: Terms {
                timeout: millis(config.body_timeout),
                bytes_per_second_min: config.body_bytes_per_second_min.unwrap_or(0),
            },
            write: Terms {
                timeout: millis(config.write_timeout),
                bytes_per_second_min: config.write_bytes_per_second_min.unwrap_or(0),
            },
            close_timeout: millis(config.close_timeout),
            close_bytes_max: config.close_bytes_max,
            body_bytes_max: config.body_bytes_max,
            discard_bytes_max: config.discard_bytes_max,
            input_buffers_max: config.input_buffers_max as usize,
            output_bytes_max: config.output_bytes_max,
            requests_max: config
                .requests_per_connection_max
                .map_or(u32::MAX, std::num::NonZeroU32::get),
        }
    }
}

/// The core's idea of the time, read once a round.
pub(crate) struct Clock {
    started: Instant,
    read_at: Instant,
    now: Millis,
    date: Date,
    /// When the next second of the wall clock begins.
    next_second: Millis,
}

impl Clock {
    fn new() -> Clock {
        let started = Instant::now();
        let mut clock = Clock {
            started,
            read_at: started,
            now: 0,
            date: Date::new(0),
            next_second: 0,
        };
        clock.set(0);
        clock
    }

    /// Reads the system's clocks.
    pub(crate) fn read(&mut self) {
        self.read_at = Instant::now();
        self.set((self.read_at - self.started).as_millis() as Millis);
    }

    /// Sets the time; the wall clock is read once in each of its seconds.
    pub(crate) fn set(&mut self, now: Millis) {
        self.now = now;
        if now >= self.next_second {
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            self.date.update(wall.as_secs());
            self.next_second = now + 1000 - u64::from(wall.subsec_millis());
        }
    }

    /// Milliseconds since the core started, as of this round.
    pub(crate) fn now(&self) -> Millis {
        self.now
    }

    /// When the clock was last read.
    pub(crate) fn time(&self) -> Instant {
        self.read_at
    }

    /// The `Date` of responses (RFC 9110 §6.6.1).
    pub(crate) fn date(&self) -> &[u8; 29] {
        self.date.as_bytes()
    }
}
