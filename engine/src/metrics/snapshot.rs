//! What one core has counted by a moment, as plain figures.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::counters::{BOUNDS, Histogram, REFUSALS, Tally};
use crate::server::ServerHandle;
use crate::usage::Usage;

impl ServerHandle {
    /// What each core has counted since the server was started, in the order of [`Ready::cores`](crate::Ready::cores); nothing
    /// before it is started. It neither waits nor slows the cores down, and may be called from handlers.
    pub fn metrics(&self) -> Vec<CoreMetrics> {
        let usages = self.usage().into_iter().enumerate();
        let all = usages.filter_map(|(index, usage)| Some(CoreMetrics::read(usage, self.tally(index)?)));
        all.collect()
    }
}

/// What one core has counted since the server was started. Counts only grow.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CoreMetrics {
    /// What the core holds at the moment, and its number.
    pub usage: Usage,
    /// Responses whose heads have been queued, by the class of their status: 1xx, which are upgrades, first, 5xx last. Each
    /// request has one; those of clients that left before they were answered have none.
    pub requests: [u64; 5],
    /// From a request's head to its response's head, or to the end of the round where both were in one; for the requests
    /// among them that were not refused before their head was whole.
    pub latencies: Latencies,
    /// Bytes received, of whatever kind.
    pub bytes_received: u64,
    /// Bytes that the system has taken over to be sent.
    pub bytes_sent: u64,
    /// Connections accepted.
    pub connections_opened: u64,
    /// Connections closed.
    pub connections_closed: u64,
    /// Connections that have left HTTP for another protocol.
    pub upgrades: u64,
    /// Requests that the engine has answered itself, or would have if their responses had not begun.
    pub refusals: Refusals,
    /// Handlers that panicked.
    pub panics: u64,
    /// Peers that were waited for too long.
    pub timeouts: Timeouts,
    /// Rounds: how often the core has entered its io_uring.
    pub rounds: u64,
    /// Completions that these rounds have worked off, without those of timers.
    pub completions: u64,
    /// Receives that found no buffer (ENOBUFS) and were put off.
    pub receives_starved: u64,
    /// Entries that found completions held back by the kernel because their queue was full.
    pub completion_overflows: u64,
    /// How often accepting was paused because `connections_max` was reached.
    pub accept_pauses: u64,
    /// Buffers of the pool: so many it has grown to.
    pub pool_buffers: u64,
    /// Buffers of the pool that occupy memory.
    pub pool_buffers_resident: u64,
}

/// Latencies in buckets.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Latencies {
    /// Their sum.
    pub sum: Duration,
    /// How many there were up to and including each bound, but above the one before; the last bucket has no bound.
    pub buckets: Vec<(Option<Duration>, u64)>,
}

/// Refusals by status: each status with which the engine itself answers, and `None` for all others.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusals {
    /// Each status and its count.
    pub by_status: Vec<(Option<u16>, u64)>,
}

/// For what peers were waited too long, and how often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// A request's head.
    pub head: u64,
    /// A further request.
    pub idle: u64,
    /// A request's body.
    pub body: u64,
    /// The reading of a response.
    pub write: u64,
    /// The peer's end of a connection that was being closed.
    pub close: u64,
}

impl CoreMetrics {
    fn read(usage: Usage, tally: &Tally) -> CoreMetrics {
        let cells = tally.cells();
        let at = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CoreMetrics {
            usage,
            requests: std::array::from_fn(|class| at(&cells.responses[class])),
            latencies: Latencies::read(&cells.latencies),
            bytes_received: at(&cells.bytes_received),
            bytes_sent: at(&cells.bytes_sent),
            connections_opened: at(&cells.opened),
            connections_closed: at(&cells.closed),
            upgrades: at(&cells.upgrades),
            refusals: Refusals {
                by_status: REFUSALS
                    .iter()
                    .copied()
                    .map(Some)
                    .chain([None])
                    .zip(cells.refusals.iter().map(at))
                    .collect(),
            },
            panics: at(&cells.panics),
            timeouts: Timeouts {
                head: at(&cells.head_timeouts),
                idle: at(&cells.idle_timeouts),
                body: at(&cells.body_timeouts),
                write: at(&cells.write_timeouts),
                close: at(&cells.close_timeouts),
            },
            rounds: at(&cells.rounds),
            completions: at(&cells.completions),
            receives_starved: at(&cells.starved),
            completion_overflows: at(&cells.overflows),
            accept_pauses: at(&cells.accept_pauses),
            pool_buffers: at(&cells.pool_buffers),
            pool_buffers_resident: at(&cells.pool_resident),
        }
    }
}

impl Latencies {
    fn read(histogram: &Histogram) -> Latencies {
        let bounds = BOUNDS.iter().map(|nanos| Some(Duration::from_nanos(*nanos)));
        Latencies {
            sum: Duration::from_nanos(histogram.sum_nanos()),
            buckets: bounds.chain([None]).zip(histogram.buckets()).collect(),
        }
    }

    /// How many there were.
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}
