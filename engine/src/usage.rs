//! What each core holds at the moment: written by the core alone, once a round, and read from anywhere.

use std::sync::atomic::{AtomicUsize, Ordering};

/// What one core holds, as of its last round. Once all clients are gone and all handlers have ended, everything is zero.
///
/// ```no_run
/// use ringlane::{Request, Server};
///
/// let server = Server::bind("127.0.0.1:8080");
/// let handle = server.handle();
/// server.serve(move |_core| {
///     let handle = handle.clone();
///     async move |_: Request| {
///         let connections: usize = handle.usage().iter().map(|core| core.connections).sum();
///         format!("{connections} connections\n")
///     }
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// The system's number of the core.
    pub core: usize,
    /// Connections that are accepted and not closed.
    pub connections: usize,
    /// Those among them that are not idle: from a request's first byte to its response's last.
    pub exchanges: usize,
    /// Handlers that did not answer at once, streamed responses and upgraded connections that have not ended.
    pub tasks: usize,
    /// Pooled buffers that hold something: input that is not read yet, output that is not sent yet, and what handlers keep
    /// of their requests and bodies.
    pub buffers: usize,
    /// Bytes outside of the pool that hold the beginnings of request heads longer than one buffer.
    pub head_bytes: usize,
}

/// One core's usage, where other threads can read it.
///
/// On lines of the cache of its own, and written with plain stores: a core pays for it only while somebody reads.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Gauges {
    core: AtomicUsize,
    connections: AtomicUsize,
    exchanges: AtomicUsize,
    tasks: AtomicUsize,
    buffers: AtomicUsize,
    head_bytes: AtomicUsize,
}

impl Gauges {
    pub(crate) fn new(core: usize) -> Gauges {
        let gauges = Gauges::default();
        gauges.core.store(core, Ordering::Relaxed);
        gauges
    }

    /// Says what the core holds. Each figure is right by itself; together they may be of two rounds.
    pub(crate) fn set(&self, usage: &Usage) {
        self.connections.store(usage.connections, Ordering::Relaxed);
        self.exchanges.store(usage.exchanges, Ordering::Relaxed);
        self.tasks.store(usage.tasks, Ordering::Relaxed);
        self.buffers.store(usage.buffers, Ordering::Relaxed);
        self.head_bytes.store(usage.head_bytes, Ordering::Relaxed);
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            core: self.core.load(Ordering::Relaxed),
            connections: self.connections.load(Ordering::Relaxed),
            exchanges: self.exchanges.load(Ordering::Relaxed),
            tasks: self.tasks.load(Ordering::Relaxed),
            buffers: self.buffers.load(Ordering::Relaxed),
            head_bytes: self.head_bytes.load(Ordering::Relaxed),
        }
    }
}
