//! What a core asks of the kernel and what comes back: the narrow interface between the server and its io_uring.
//!
//! [`Ring`] has two implementations: [`Uring`], the kernel's, and the tests' own, which plays the kernel's part
//! deterministically. Everything above this module is written against the trait.

mod buffers;
mod calls;
mod interpret;
mod setup;
#[cfg(any(test, fuzzing, feature = "internals"))]
#[cfg_attr(
    not(any(test, fuzzing)),
    expect(dead_code, reason = "the benchmarks need less of it than the tests")
)]
mod simulated;
mod token;
mod transmission;
mod uring;

use std::io;
use std::os::fd::{OwnedFd, RawFd};
use std::time::Duration;

use ringlane_pool::{Key, View};

use crate::chunk::Chunk;

pub(crate) use setup::check;
#[cfg(any(test, fuzzing, feature = "internals"))]
pub(crate) use simulated::Simulated;
#[cfg(test)]
pub(crate) use simulated::{Ended, Faults};
pub(crate) use transmission::Transmission;
pub(crate) use uring::Uring;

/// What a receive takes at a time, where the kernel has bundles: a body of 16 KiB and its head in one go, and no more than
/// twice that of one connection before others have had their turn.
pub(crate) const BUNDLE_BYTES: usize = 32 << 10;

/// The width of a tick.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// A core's queue of operations and completions.
///
/// Operations are queued by the methods that name them and reach the kernel with the next [`enter`](Ring::enter).
/// None of them fails at once: a failure is a completion too. Queueing never blocks and never loses an operation.
pub(crate) trait Ring {
    /// Accepts connections until cancelled (multishot): one [`Completion::Accepted`] each.
    fn accept(&mut self, listener: RawFd);

    /// Ends accepting. Connections that were accepted before still arrive, and then a completion without `more`.
    fn cancel_accept(&mut self);

    /// Receives into pooled buffers until cancelled or the stream ends (multishot), several of them at a time or not: one
    /// [`Completion::Received`] for each buffer. Those of several buffers may come in a row, which the kernel has filled at a
    /// time: they are the same round's.
    fn receive(&mut self, socket: RawFd, key: Key, in_bundles: bool);

    /// Receives once: one [`Completion::Received`] without `more`. A connection that ends behind its first request has then
    /// nothing to be cancelled.
    fn receive_once(&mut self, socket: RawFd, key: Key);

    /// Ends the receiving of `key`. What was received before still arrives, and then a completion without `more`.
    fn cancel_receive(&mut self, key: Key);

    /// Watches a connection that is not received from for its reset: one [`Completion::HungUp`], or
    /// [`Completion::WatchEnded`] where the kernel gives up before.
    fn watch_hang_up(&mut self, socket: RawFd, key: Key);

    /// Ends that watch, without a completion.
    fn cancel_hang_up(&mut self, key: Key);

    /// Sends all of a transmission, which the kernel borrows until [`Completion::Sent`] gives it back.
    fn send(&mut self, socket: RawFd, key: Key, transmission: Box<Transmission>) -> Sending;

    /// Sends a short block with the next [`enter`](Ring::enter), all of it and without a completion; only what the socket
    /// does not take at once comes back, with [`Completion::Unsent`] of that same `enter`.
    ///
    /// Nothing else may be under way for the socket, and nothing may be queued for it that must not overtake a rest, before
    /// [`enter`](Ring::enter) has returned and [`is_blocked`](Ring::is_blocked) says no.
    ///
    /// The last block of a connection waits in the socket for [`finish_sending`](Ring::finish_sending), so that it and the
    /// end leave in one segment.
    fn send_at_once(&mut self, socket: RawFd, key: Key, block: Chunk, is_last: bool);

    /// Whether the last [`enter`](Ring::enter) left blocks behind that are to be sent at once: the kernel took no more
    /// operations for the moment.
    fn is_blocked(&self) -> bool;

    /// Ends a send; it completes with what was sent until then, or as cancelled.
    fn cancel_send(&mut self, sending: Sending);

    /// How many bytes the peer of a socket has acknowledged; at once.
    fn acknowledged(&self, socket: RawFd) -> u64;

    /// Tells the peer that no more will be sent; at once, and so only when all sends have completed.
    fn finish_sending(&mut self, socket: RawFd);

    /// Whether something has arrived that has not been received: closing the socket now would reset the connection.
    fn has_unread(&self, socket: RawFd) -> bool;

    /// Has the close of a socket reset the connection, so that the peer cannot take what it got for the whole.
    fn reset_on_close(&mut self, socket: RawFd);

    /// Closes a socket, after everything that was queued before.
    fn close(&mut self, socket: RawFd);

    /// Watches a descriptor for readability once: [`Completion::Readable`].
    fn watch(&mut self, descriptor: RawFd);

    /// Hands the queued operations to the kernel, waits for a completion as long as `wait` says, and takes over all that are
    /// there. Those of the last round must have been taken.
    fn enter(&mut self, wait: Wait) -> io::Result<()>;

    /// The next of the completions that [`enter`](Ring::enter) took over, where it brings bytes. Most do: apart from the
    /// others, they are handed on in registers.
    fn next_received(&mut self) -> Option<Received>;

    /// The next of those completions, whatever it is.
    fn next_completion(&mut self) -> Option<Completion>;

    /// Whether there is nothing to hand to the kernel and nothing to take from it, as far as memory tells: what comes from
    /// here on is signalled, if that is on. A pass over deferred work may leave some of it to the next (since Linux 6.13).
    fn is_quiet(&mut self) -> bool;

    /// How many receive buffers the kernel has, or may get with the next `enter`: so many receives that ended for want of
    /// one may be armed again.
    fn spare_buffers(&self) -> usize;

    /// How often the kernel has held completions back because their queue was full.
    fn overflows(&self) -> u64;

    /// Takes a kernel's complaint that it ran out of buffers: more will be lent at a time from now on.
    fn lend_more(&mut self);

    /// Takes a quiet spell as a word that fewer will do again.
    fn lend_less(&mut self);

    /// Switches the tick, which ends a wait every [`TICK`] ([`Completion::Ticked`]). While it is on, waits need no timer of
    /// their own: setting one for each wait costs a busy core a twentieth of its time.
    fn tick(&mut self, on: bool);

    /// Switches the signalling of the ring's eventfd, which is for parking only.
    fn signal(&mut self, on: bool);
}

/// How long [`Ring::enter`] waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Not at all.
    No,
    /// For one completion, and for this long at most; while the tick is on, until the next one.
    UpTo(Duration),
}

/// A send under way, to cancel it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sending(pub(crate) u32);

/// What the kernel has to say.
#[derive(Debug)]
pub(crate) enum Completion {
    /// A connection, or why there is none; without `more`, accepting has ended.
    Accepted {
        outcome: Result<OwnedFd, Errno>,
        more: bool,
    },
    Received(Received),
    /// The end of the stream, or why nothing was received; without `more`, receiving has ended.
    NothingReceived {
        key: Key,
        outcome: Result<(), Errno>,
        more: bool,
    },
    /// How many bytes a send got away with, and its transmission back.
    Sent {
        key: Key,
        outcome: Result<usize, Errno>,
        transmission: Box<Transmission>,
    },
    /// Of a block that was to be sent at once only so many bytes were, or none; here it is again.
    Unsent {
        key: Key,
        outcome: Result<usize, Errno>,
        block: Chunk,
    },
    /// The connection was reset while it was not received from.
    HungUp {
        key: Key,
    },
    /// The connection's reset is not watched for any more.
    WatchEnded {
        key: Key,
    },
    /// The watched descriptor is readable.
    Readable,
    /// A [`TICK`] is over.
    Ticked,
}

/// Bytes that a connection has received; without `more`, receiving has ended.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) key: Key,
    pub(crate) view: View,
    pub(crate) more: bool,
}

/// An error number of the system (errno(3)).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl std::fmt::Debug for Errno {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}", io::Error::from_raw_os_error(self.0))
    }
}
