//! One core: its connections, its listening socket, and the round in which everything happens.
//!
//! A round enters the kernel once, takes all completions that are there, and only then works them off, so that nothing
//! recurses. What the round's connections have to send leaves with the next round's entry.

mod accepting;
mod driver;
#[cfg(any(test, fuzzing, feature = "internals"))]
#[cfg_attr(
    not(any(test, fuzzing)),
    expect(dead_code, reason = "the benchmarks need less of it than the tests")
)]
pub(crate) mod harness;
#[cfg(test)]
mod tests;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringlane_pool::{Key, Pool, Slots};

use crate::config::Config;
use crate::connection::{Connection, Fate};
use crate::context::Context;
use crate::control::{Control, Order};
use crate::counters::Counters;
use crate::handler::Handler;
use crate::listener::Listener;
use crate::ring::{Completion, Received, Ring, Wait};
use crate::shared::{News, Shared};
use crate::task;
use crate::timers::Millis;
use crate::usage::Usage;

use accepting::Accepting;

#[cfg(any(test, fuzzing))]
pub(crate) use driver::yield_now;
pub(crate) use driver::{PREEMPTION, Parking, SPIN, drive};

/// How long after it has become idle a core's pool gives memory back, and how many free buffers keep theirs.
const QUIET: Millis = 1000;
const QUIET_BUFFERS: usize = 64;

/// How many connections with news a round has room for before it needs more memory.
const ROUND: usize = 256;

/// Everything that one core owns.
pub(crate) struct Core<R: Ring> {
    context: Context<R>,
    connections: Slots<Connection>,
    accepting: Accepting,
    control: Arc<Control>,
    /// Which of the control's wakers is this core's.
    index: usize,
    stopping: Stopping,
    drain_timeout: Millis,
    drain_idle_timeout: Millis,
    /// When the pool gives memory back, if the core is quiet then.
    trim_at: Option<Millis>,
    news: Vec<(Key, News)>,
    put_off: Vec<Key>,
    due: Vec<u32>,
}

/// Where a core stands on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stopping {
    No,
    /// Idle connections are closed at `idle_until`, all others at `until`.
    Draining {
        idle_until: Millis,
        until: Millis,
    },
    /// Nothing is left to do; `cut` connections were closed with their requests unanswered.
    Over {
        cut: usize,
    },
}

impl<R: Ring> Core<R> {
    pub(crate) fn new(
        ring: R,
        pool: Pool,
        handler: Box<dyn Handler>,
        shared: Rc<Shared>,
        config: &Config,
        connections_max: usize,
    ) -> Core<R> {
        let millis = |duration: Duration| duration.as_millis().min(u128::from(u32::MAX)) as Millis;
        // What streams have queued comes on top of the pool, as their chunks lie elsewhere: as much in their pipes, and as
        // much taken over from there, as a quarter of the pool.
        shared.limit_streams(config.output_bytes_max, pool.buffers_max() * pool.buffer_bytes() / 4);
        Core {
            context: Context::new(ring, pool, handler, shared, config),
            connections: Slots::new(),
            accepting: Accepting::new(connections_max),
            control: Arc::default(),
            index: 0,
            stopping: Stopping::No,
            drain_timeout: millis(config.drain_timeout),
            drain_idle_timeout: millis(config.drain_idle_timeout),
            trim_at: None,
            news: Vec::with_capacity(ROUND),
            put_off: Vec::new(),
            due: Vec::new(),
        }
    }

    /// Begins to accept from a listening socket and to listen to orders.
    pub(crate) fn start(&mut self, listener: Listener, control: Arc<Control>, index: usize) {
        self.accepting.start(listener, &mut self.context.ring);
        if let Some(waker) = control.waker(index) {
            self.context.ring.watch(waker);
        }
        if let Some(tally) = control.tally(index) {
            self.context.counters = Counters::new(tally.clone());
        }
        (self.control, self.index) = (control, index);
    }

    /// One round. True where anything happened in it.
    pub(crate) fn turn(&mut self, wait: Wait) -> io::Result<bool> {
        let wait = if self.context.put_off.is_empty() && self.context.touched.is_empty() {
            wait
        } else {
            Wait::No
        };
        self.context.ring.enter(wait)?;
        self.context.clock.read();
        Ok(self.work())
    }

    /// Works off what has completed, what the handlers' side reports, and what is due.
    fn work(&mut self) -> bool {
        self.context.supply.take_note();
        let completions = self.handle_completions();
        self.context.counters.count_round(completions);
        let mut happened = completions > 0;
        happened |= self.handle_put_off();
        happened |= self.handle_news();
        happened |= self.handle_timers();
        self.handle_starved();
        self.end_round();
        self.accepting.finish(self.context.clock.now(), &mut self.context.ring);
        self.open_accepted();
        self.accepting
            .resume(self.connections.len(), self.context.clock.now(), &mut self.context.ring);
        self.handle_stopping();
        if happened {
            self.publish();
        }
        happened
    }

    /// Lets other threads see what the core holds.
    pub(crate) fn publish(&self) {
        if let Some(gauges) = self.control.gauges(self.index) {
            gauges.set(&self.usage());
        }
        let pool = self.context.supply.pool().counts();
        self.context.counters.publish(pool, self.context.ring.overflows());
    }

    /// What the core holds.
    fn usage(&self) -> Usage {
        Usage {
            core: 0, // The gauges know it.
            connections: self.connections.len(),
            exchanges: self.context.exchanges(),
            tasks: self.context.shared.tasks(),
            buffers: self.context.supply.pool().counts().held,
            head_bytes: self.context.supply.head_bytes(),
        }
    }

    /// Works off what has completed. Returns how much that was, ticks apart.
    #[inline]
    fn handle_completions(&mut self) -> u64 {
        let mut completions = 0;
        loop {
            while let Some(received) = self.context.ring.next_received() {
                completions += 1;
                self.handle_received(received);
            }
            let Some(completion) = self.context.ring.next_completion() else {
                return completions;
            };
            completions += u64::from(!matches!(completion, Completion::Ticked));
            self.handle_completion(completion);
        }
    }

    #[inline(always)]
    fn handle_received(&mut self, Received { key, view, more }: Received) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.handle_received(view, more, &mut self.context);
        }
    }

    #[inline(never)]
    fn handle_completion(&mut self, completion: Completion) {
        match completion {
            Completion::Received(received) => self.handle_received(received),
            Completion::NothingReceived { key, outcome, more } => {
                if let Some(connection) = self.connections.get_mut(key) {
                    let fate = connection.handle_nothing_received(outcome, more, &mut self.context);
                    self.remove_if(key, fate);
                }
            }
            Completion::Sent {
                key,
                outcome,
                transmission,
            } => match self.connections.get_mut(key) {
                Some(connection) => {
                    self.context.counters.count_sent(outcome.unwrap_or(0));
                    let fate = connection.handle_sent(outcome, transmission, &mut self.context);
                    self.remove_if(key, fate);
                }
                None => self.context.supply.recycle(transmission),
            },
            Completion::Unsent { key, outcome, block } => {
                self.context
                    .counters
                    .take_unsent(block.len().saturating_sub(outcome.unwrap_or(0)));
                if let Some(connection) = self.connections.get_mut(key) {
                    let fate = connection.handle_unsent(outcome, block, &mut self.context);
                    self.remove_if(key, fate);
                }
            }
            Completion::HungUp { key } => {
                if let Some(connection) = self.connections.get_mut(key) {
                    let fate = connection.handle_hung_up(&mut self.context);
                    self.remove_if(key, fate);
                }
            }
            Completion::WatchEnded { key } => {
                if let Some(connection) = self.connections.get_mut(key) {
                    connection.handle_watch_ended(&mut self.context);
                }
            }
            Completion::Accepted { outcome, more } => {
                self.accepting.handle(outcome, more, self.context.clock.now());
                self.open_accepted();
            }
            Completion::Readable => self.handle_order(),
            Completion::Ticked => {}
        }
    }

    /// Takes accepted connections over, as far as the limit allows.
    fn open_accepted(&mut self) {
        while let Some(socket) = self.accepting.next(self.connections.len()) {
            let key = self.connections.vacant_key();
            let inserted = self
                .connections
                .insert(Connection::open(key, socket, &mut self.context));
            debug_assert_eq!(key, inserted);
        }
        if self
            .accepting
            .pause_if_full(self.connections.len(), &mut self.context.ring)
        {
            self.context.counters.count_accept_pause();
        }
    }

    /// Goes on with connections that had more to do in the round before than one round allows.
    fn handle_put_off(&mut self) -> bool {
        let mut keys = std::mem::take(&mut self.put_off);
        std::mem::swap(&mut keys, &mut self.context.put_off);
        let happened = !keys.is_empty();
        for key in keys.drain(..) {
            if let Some(connection) = self.connections.get_mut(key) {
                let fate = connection.handle_turn(&mut self.context);
                self.remove_if(key, fate);
            }
        }
        self.put_off = keys;
        happened
    }

    fn handle_news(&mut self) -> bool {
        if !self.context.shared.has_news() {
            return false;
        }
        let mut news = std::mem::take(&mut self.news);
        self.context.shared.take_news(&mut news);
        for (key, news) in news.drain(..) {
            match self.connections.get_mut(key) {
                Some(connection) => connection.handle_news(news, &mut self.context),
                None => task::let_go(news),
            }
        }
        self.news = news;
        true
    }

    fn handle_timers(&mut self) -> bool {
        let mut due = std::mem::take(&mut self.due);
        self.context.timers.expire(self.context.clock.now(), &mut due);
        let happened = !due.is_empty();
        for slot in due.drain(..) {
            if let Some(connection) = self.connections.at_mut(slot)
                && connection.handle_timer(&mut self.context) == Fate::Closed
                && let Some(key) = self.connections.key_at(slot)
            {
                self.connections.remove(key);
            }
        }
        self.due = due;
        self.trim();
        happened
    }

    /// Re-arms as many of the receives that ended for want of a buffer as there are buffers again: more would only fail.
    fn handle_starved(&mut self) {
        if self.context.starved.is_empty() {
            return;
        }
        let mut buffers = self.context.ring.spare_buffers();
        while buffers > 0
            && let Some((key, since)) = self.context.starved.pop_front()
        {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.handle_buffers(since, &mut self.context);
                buffers -= 1;
            }
        }
    }

    /// Gives every connection to which something happened the end of its round; not while answers of an earlier round have
    /// not been handed to the kernel, of which a rest may come back: what is queued now could overtake it.
    fn end_round(&mut self) {
        if self.context.ring.is_blocked() {
            return;
        }
        self.context.counters.settle_sent_at_once();
        let mut touched = std::mem::take(&mut self.context.touched);
        for key in touched.drain(..) {
            if let Some(connection) = self.connections.get_mut(key) {
                let fate = connection.handle_round_end(&mut self.context);
                self.remove_if(key, fate);
            }
        }
        debug_assert!(
            self.context.touched.is_empty(),
            "the end of a round touches no connection"
        );
        self.context.touched = touched;
        self.context.counters.settle_answered(&self.context.clock);
    }

    fn remove_if(&mut self, key: Key, fate: Fate) {
        if fate == Fate::Closed {
            self.connections.remove(key);
        }
    }

    /// Plans to give the pool's memory back, where there is much of it and nothing to do.
    fn prepare_to_park(&mut self) {
        if self.trim_at.is_none() && self.has_spare_memory() {
            self.trim_at = Some(self.context.clock.now() + QUIET);
        }
    }

    /// Gives the pool's memory back once a quiet spell has passed.
    fn trim(&mut self) {
        if self.trim_at.is_some_and(|at| self.context.clock.now() >= at) {
            self.trim_at = None;
            if self.has_spare_memory() {
                self.context.ring.lend_less();
                self.context.supply.pool().trim(QUIET_BUFFERS);
            }
        }
    }

    fn has_spare_memory(&self) -> bool {
        let counts = self.context.supply.pool().counts();
        counts.resident > 2 * (counts.held + counts.lent + QUIET_BUFFERS)
    }
}

/// Stopping.
impl<R: Ring> Core<R> {
    /// An order has come.
    fn handle_order(&mut self) {
        if let Some(waker) = self.control.waker(self.index) {
            self.control.hear(self.index);
            self.context.ring.watch(waker);
        }
        let now = self.context.clock.now();
        match (self.control.order(), self.stopping) {
            (Order::Drain, Stopping::No) => {
                self.context.draining = true;
                self.stopping = Stopping::Draining {
                    idle_until: now + self.drain_idle_timeout,
                    until: now + self.drain_timeout,
                };
                for (_, connection) in self.connections.iter_mut() {
                    connection.handle_drain(&mut self.context);
                }
                self.accepting.stop(now);
            }
            (Order::Cut, Stopping::No | Stopping::Draining { .. }) => {
                self.cut_all();
            }
            _ => {}
        }
    }

    fn handle_stopping(&mut self) {
        let Stopping::Draining { idle_until, until } = self.stopping else {
            return;
        };
        if self.context.ring.is_blocked() {
            return; // As above: what is closed now might have a rest to send.
        }
        let now = self.context.clock.now();
        if now >= idle_until && !std::mem::replace(&mut self.context.closes_idle, true) {
            let idle: Vec<Key> = self
                .connections
                .iter()
                .filter(|(_, connection)| connection.is_idle())
                .map(|(key, _)| key)
                .collect();
            for key in idle {
                self.cut(key);
            }
        }
        if now >= until {
            self.cut_all();
        } else if self.connections.is_empty() && self.accepting.is_over() {
            self.stopping = Stopping::Over { cut: 0 };
        }
    }

    fn cut_all(&mut self) {
        let keys: Vec<Key> = self.connections.iter().map(|(key, _)| key).collect();
        let busy = self
            .connections
            .iter()
            .filter(|(_, connection)| connection.is_busy())
            .count();
        for key in keys {
            self.cut(key);
        }
        self.stopping = Stopping::Over { cut: busy };
    }

    fn cut(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            let fate = connection.cut(&mut self.context);
            self.remove_if(key, fate);
        }
    }

    /// How many connections were cut, once the core has stopped.
    pub(crate) fn stopped(&self) -> Option<usize> {
        match self.stopping {
            Stopping::Over { cut } => Some(cut),
            _ => None,
        }
    }

    /// How long the core may sleep, if nothing comes; none for as long as it likes.
    pub(crate) fn next_wait(&self) -> Option<Duration> {
        let now = self.context.clock.now();
        let until = |moment: Millis| Duration::from_millis(moment.saturating_sub(now));
        let stopping = match self.stopping {
            Stopping::Draining { idle_until, .. } if !self.context.closes_idle => Some(until(idle_until)),
            Stopping::Draining { until: end, .. } => Some(until(end)),
            _ => None,
        };
        let starved = (!self.context.starved.is_empty()).then_some(Duration::from_millis(10));
        let trim = self.trim_at.map(until);
        [
            self.context.timers.next_wait(now),
            self.accepting.due_at().map(until),
            stopping,
            starved,
            trim,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether nothing waits to be handed to the kernel or taken from it, so that the core may sleep.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.context.ring.is_quiet()
            && self.context.put_off.is_empty()
            && self.context.touched.is_empty()
            && !self.context.shared.has_news()
            && self.stopped().is_none()
    }

    /// The time as of this round.
    fn time(&self) -> Instant {
        self.context.clock.time()
    }

    pub(crate) fn shared(&self) -> &Rc<Shared> {
        &self.context.shared
    }

    /// Switches the tick of the ring, which a hot core waits with.
    pub(crate) fn tick(&mut self, on: bool) {
        self.context.ring.tick(on);
    }

    /// Switches the signalling of completions to a parked core.
    pub(crate) fn signal(&mut self, on: bool) {
        self.context.ring.signal(on);
    }
}

impl<R: Ring> Drop for Core<R> {
    /// Leaves no socket open where the core has come to an early end; the ring hands the closes in when it is dropped.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.cut_all();
        }
    }
}
