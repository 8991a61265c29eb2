//! Counters that count: written by their core alone, with plain loads and stores, and read from anywhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use http::StatusCode;
use ringlane_pool::Counts;

use super::histogram::Histogram;
use crate::context::Clock;
use crate::event::{Event, TimeoutKind};

/// The statuses with which the engine itself answers; further ones are counted behind them.
pub(crate) const REFUSALS: [u16; 11] = [400, 405, 408, 413, 414, 417, 431, 500, 501, 503, 505];

/// One core's counters. Clones are the same counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally(Arc<Cells>);

/// On lines of the cache of its own: a core pays for a reader only while somebody reads. What each request changes is first.
#[derive(Debug, Default)]
#[repr(C, align(128))]
pub(crate) struct Cells {
    /// Responses by the class of their status, 1xx first.
    pub(crate) responses: [AtomicU64; 5],
    pub(crate) bytes_received: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) rounds: AtomicU64,
    pub(crate) completions: AtomicU64,
    pub(crate) latencies: Histogram,
    pub(crate) opened: AtomicU64,
    pub(crate) closed: AtomicU64,
    pub(crate) upgrades: AtomicU64,
    pub(crate) panics: AtomicU64,
    /// In the order of [`REFUSALS`], and one more for all others.
    pub(crate) refusals: [AtomicU64; REFUSALS.len() + 1],
    pub(crate) head_timeouts: AtomicU64,
    pub(crate) idle_timeouts: AtomicU64,
    pub(crate) body_timeouts: AtomicU64,
    pub(crate) write_timeouts: AtomicU64,
    pub(crate) close_timeouts: AtomicU64,
    pub(crate) starved: AtomicU64,
    pub(crate) overflows: AtomicU64,
    pub(crate) accept_pauses: AtomicU64,
    pub(crate) pool_buffers: AtomicU64,
    pub(crate) pool_resident: AtomicU64,
}

impl Tally {
    pub(crate) fn cells(&self) -> &Cells {
        &self.0
    }
}

/// Adds to a counter, which no other thread writes: no lock on the bus, and no line taken from another core.
#[inline]
pub(super) fn add(counter: &AtomicU64, count: u64) {
    let sum = counter.load(Ordering::Relaxed).wrapping_add(count);
    counter.store(sum, Ordering::Relaxed);
}

/// A core's own end of its counters.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    tally: Tally,
    /// Bytes that were to be sent at once, of which the next round tells whether they were.
    at_once: u64,
    /// Requests answered in the round in which they began.
    answered: u64,
}

/// In which round a request's head was complete; none outside of requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Began(Option<Instant>);

impl Counters {
    pub(crate) fn new(tally: Tally) -> Counters {
        Counters {
            tally,
            ..Counters::default()
        }
    }

    #[cfg(test)]
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// A request's head is complete: since the clock was read in this round, as far as the core can know.
    #[inline]
    pub(crate) fn begin(&self, clock: &Clock) -> Began {
        Began(Some(clock.time()))
    }

    /// A response's head is queued. That of a request of this round leaves with all others at the round's end, when one look at
    /// the system's clock is enough for all of them.
    #[inline]
    pub(crate) fn count_response(&mut self, status: StatusCode, began: &mut Began, clock: &Clock) {
        let cells = &*self.tally.0;
        if let Some(class) = cells.responses.get(usize::from(status.as_u16() / 100).wrapping_sub(1)) {
            add(class, 1);
        }
        match began.0.take() {
            Some(began) if began == clock.time() => self.answered += 1,
            Some(began) => cells.latencies.observe(began.elapsed(), 1),
            None => {}
        }
    }

    /// The answers of the round are on their way.
    #[inline]
    pub(crate) fn settle_answered(&mut self, clock: &Clock) {
        if self.answered > 0 {
            let latencies = &self.tally.0.latencies;
            latencies.observe(clock.time().elapsed(), std::mem::take(&mut self.answered));
        }
    }

    #[inline]
    pub(crate) fn count_received(&self, bytes: usize) {
        add(&self.tally.0.bytes_received, bytes as u64);
    }

    #[inline]
    pub(crate) fn count_sent(&self, bytes: usize) {
        add(&self.tally.0.bytes_sent, bytes as u64);
    }

    /// Bytes have been queued to be sent at once.
    #[inline]
    pub(crate) fn count_sent_at_once(&mut self, bytes: usize) {
        self.at_once += bytes as u64;
    }

    /// So many of those bytes were not sent.
    pub(crate) fn take_unsent(&mut self, bytes: usize) {
        self.at_once = self.at_once.saturating_sub(bytes as u64);
    }

    /// All that was to be sent at once has been, but for what was taken back.
    #[inline]
    pub(crate) fn settle_sent_at_once(&mut self) {
        add(&self.tally.0.bytes_sent, std::mem::take(&mut self.at_once));
    }

    #[inline]
    pub(crate) fn count_round(&self, completions: u64) {
        add(&self.tally.0.rounds, 1);
        add(&self.tally.0.completions, completions);
    }

    /// A receive ended for want of a buffer (ENOBUFS).
    pub(crate) fn count_starved(&self) {
        add(&self.tally.0.starved, 1);
    }

    pub(crate) fn count_accept_pause(&self) {
        add(&self.tally.0.accept_pauses, 1);
    }

    pub(crate) fn count_event(&self, event: &Event<'_>) {
        let cells = &*self.tally.0;
        let counter = match event {
            Event::ConnectionOpened => &cells.opened,
            Event::ConnectionClosed => &cells.closed,
            Event::Upgraded { .. } => &cells.upgrades,
            Event::HandlerPanicked => &cells.panics,
            Event::Refused { status, .. } => {
                let known = REFUSALS.iter().position(|known| *known == status.as_u16());
                &cells.refusals[known.unwrap_or(REFUSALS.len())]
            }
            Event::TimedOut(TimeoutKind::Head) => &cells.head_timeouts,
            Event::TimedOut(TimeoutKind::Idle) => &cells.idle_timeouts,
            Event::TimedOut(TimeoutKind::Body) => &cells.body_timeouts,
            Event::TimedOut(TimeoutKind::Write) => &cells.write_timeouts,
            Event::TimedOut(TimeoutKind::Close) => &cells.close_timeouts,
        };
        add(counter, 1);
    }

    /// Takes over what others count.
    pub(crate) fn publish(&self, pool: Counts, overflows: u64) {
        let cells = &*self.tally.0;
        cells.pool_buffers.store(pool.total as u64, Ordering::Relaxed);
        cells.pool_resident.store(pool.resident as u64, Ordering::Relaxed);
        cells.overflows.store(overflows, Ordering::Relaxed);
    }
}
