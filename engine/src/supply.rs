//! Where a core's connections get their memory from, and how much of it one of them may have.
//!
//! All input, and all output that is copied together, lies in the buffers of one pool. What one connection may hold
//! depends on what the others leave: **half of what is left**, and always one buffer. A single one may so take what its own
//! limits allow; the more of them hold something, the less each gets, and what is left never comes to nothing (the rule is
//! known from switches with shared memory as a dynamic threshold). The last quarter is for receiving alone: where it has
//! been reached, output is copied to the heap, and so is what handlers are given and may keep for long. What lies there in a
//! buffer's stead counts as if it lay in one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ringlane_pool::{Buffer, Pool, View};

use crate::chunk::Chunk;
use crate::ring::{BUNDLE_BYTES, Transmission};

/// How many emptied transmissions a core keeps for their next use.
const SPARES_MAX: usize = 1024;

/// A core's pool, its transmissions that are not in use, and the account of what lies outside of the pool.
pub(crate) struct Supply {
    pool: Pool,
    buffers_max: usize,
    /// The size of a buffer as a power of two.
    buffer_bits: u32,
    /// Bytes of heads that span buffers and are gathered on the heap.
    head_bytes: usize,
    /// Bytes of [`Substitute`]s. `Bytes` want it to be shared between threads, which it is not.
    substitute_bytes: Arc<AtomicUsize>,
    /// With so many buffers held, only as much is left as receiving should have for itself: ready-made, since every request
    /// asks for it twice. It takes note of substitutes once a round.
    short_from: usize,
    /// Receives that are armed for bundles. Each may bring one whole, whatever is left by then: together no more than a quarter
    /// of the pool.
    bundles: usize,
    #[expect(clippy::vec_box, reason = "the box is what is handed to the ring, and must not move")]
    transmissions: Vec<Box<Transmission>>,
}

impl Supply {
    pub(crate) fn new(pool: Pool) -> Supply {
        let buffers_max = pool.buffers_max();
        let mut supply = Supply {
            buffer_bits: pool.buffer_bytes().trailing_zeros(),
            pool,
            buffers_max,
            head_bytes: 0,
            substitute_bytes: Arc::default(),
            short_from: 0,
            bundles: 0,
            transmissions: Vec::new(),
        };
        supply.take_note();
        supply
    }

    pub(crate) fn pool(&self) -> &Pool {
        &self.pool
    }

    /// How many buffers nothing lies in; what lies on the heap in their stead counts as if it lay in some.
    #[inline]
    fn left(&self) -> usize {
        let taken = self.pool.counts().held + self.buffers_on_heap();
        self.buffers_max.saturating_sub(taken)
    }

    fn buffers_on_heap(&self) -> usize {
        (self.head_bytes + self.substitute_bytes()) >> self.buffer_bits
    }

    /// How many buffers one connection may hold at the moment, beyond its first.
    pub(crate) fn share(&self) -> usize {
        self.left() / 2
    }

    pub(crate) fn share_bytes(&self) -> usize {
        self.share() * self.pool.buffer_bytes()
    }

    /// Only as much is left as receiving should have for itself.
    #[inline]
    pub(crate) fn is_short(&self) -> bool {
        self.pool.counts().held >= self.short_from
    }

    /// Takes note of how much lies on the heap.
    pub(crate) fn take_note(&mut self) {
        let (quarter, on_heap) = (self.buffers_max / 4, self.buffers_on_heap());
        self.short_from = match quarter {
            0 => usize::MAX,
            _ => (self.buffers_max - quarter + 1).saturating_sub(on_heap),
        };
        debug_assert_eq!(
            self.is_short(),
            self.buffers_max.saturating_sub(self.pool.counts().held + on_heap) < quarter
        );
    }

    fn set_head_bytes(&mut self, bytes: usize) {
        self.head_bytes = bytes;
        self.take_note();
    }

    /// A buffer for output; none where those that are left are for input.
    #[inline]
    pub(crate) fn take(&self) -> Option<Buffer> {
        if self.is_short() { None } else { self.pool.take() }
    }

    /// Received bytes for a handler, which may keep them as long as it likes: where they lie, while there are many
    /// buffers, else as a copy.
    #[inline(always)]
    pub(crate) fn pass_on(&self, view: View) -> Chunk {
        if self.is_short() {
            self.copied(&view)
        } else {
            view.into()
        }
    }

    /// A copy that leaves the buffer to others.
    #[cold]
    pub(crate) fn copied(&self, bytes: &[u8]) -> Chunk {
        let mut copy = self.substitute(bytes.len());
        copy.bytes.extend_from_slice(bytes);
        copy.into()
    }

    /// Memory for so many bytes in the stead of a buffer.
    #[cold]
    pub(crate) fn substitute(&self, capacity: usize) -> Substitute {
        self.substitute_bytes.fetch_add(capacity, Ordering::Relaxed);
        Substitute {
            bytes: Vec::with_capacity(capacity),
            counted: capacity,
            account: Arc::clone(&self.substitute_bytes),
        }
    }

    /// How many bytes lie on the heap in the stead of buffers, heads apart.
    pub(crate) fn substitute_bytes(&self) -> usize {
        self.substitute_bytes.load(Ordering::Relaxed)
    }

    /// Accounts for a head's next bytes on the heap, where so many lie already; false where that is too much. A head that
    /// would fit into one buffer is never too much, in however many pieces it comes, and whatever comes behind it.
    pub(crate) fn take_head_bytes(&mut self, before: usize, more: usize) -> bool {
        let grants = before < self.pool.buffer_bytes() || before + more <= self.share_bytes();
        if grants {
            self.set_head_bytes(self.head_bytes + more);
        }
        grants
    }

    /// A head is complete, or given up.
    pub(crate) fn give_head_bytes_back(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.head_bytes, "more is given back than was taken");
        self.set_head_bytes(self.head_bytes.saturating_sub(bytes));
    }

    /// How many bytes of heads lie on the heap.
    pub(crate) fn head_bytes(&self) -> usize {
        self.head_bytes
    }

    /// Whether one more receive may be armed for bundles.
    pub(crate) fn has_bundle(&self) -> bool {
        (self.bundles + 1) * BUNDLE_BYTES <= (self.buffers_max << self.buffer_bits) / 4
    }

    /// One more receive is armed for bundles, if it may be.
    pub(crate) fn take_bundle(&mut self) -> bool {
        let may = self.has_bundle();
        self.bundles += usize::from(may);
        may
    }

    /// A receive that was armed for bundles has ended.
    pub(crate) fn give_bundle_back(&mut self) {
        debug_assert!(self.bundles > 0, "more is given back than was taken");
        self.bundles = self.bundles.saturating_sub(1);
    }

    /// An empty transmission.
    pub(crate) fn transmission(&mut self) -> Box<Transmission> {
        self.transmissions
            .pop()
            .unwrap_or_else(|| Box::new(Transmission::new()))
    }

    /// Keeps a transmission for its next use.
    pub(crate) fn recycle(&mut self, mut transmission: Box<Transmission>) {
        transmission.clear();
        if self.transmissions.len() < SPARES_MAX {
            self.transmissions.push(transmission);
        }
    }
}

/// Memory on the heap in the stead of a buffer, counted as long as it is there.
pub(crate) struct Substitute {
    /// They are not to become more than there is room for, which was counted.
    pub(crate) bytes: Vec<u8>,
    counted: usize,
    account: Arc<AtomicUsize>,
}

impl Drop for Substitute {
    fn drop(&mut self) {
        debug_assert!(self.bytes.len() <= self.counted);
        self.account.fetch_sub(self.counted, Ordering::Relaxed);
    }
}

impl AsRef<[u8]> for Substitute {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
impl Supply {
    /// A supply of so many buffers of 1 KiB, for a test.
    pub(crate) fn of(buffers_max: usize) -> Supply {
        let options = ringlane_pool::Options {
            buffer_bytes: 1024,
            buffers_max,
            buffers_step: 1,
        };
        Supply::new(Pool::new(options).expect("memory for a test"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(supply: &Supply) -> View {
        let mut buffer = supply.pool().take().unwrap();
        buffer.extend_from_slice(b"received").unwrap();
        buffer.freeze()
    }

    #[test]
    fn the_more_is_held_the_less_one_may_hold() {
        let supply = Supply::of(64);
        let mut held = Vec::new();
        let mut shares = vec![supply.share()];
        for _ in 0..64 {
            held.push(received(&supply));
            shares.push(supply.share());
        }
        assert_eq!((shares[0], shares[32], shares[64]), (32, 16, 0));
        assert!(shares.is_sorted_by(|before, after| before >= after));
    }

    #[test]
    fn no_number_of_greedy_connections_takes_everything() {
        let supply = Supply::of(1000);
        let mut connections: Vec<Vec<View>> = (0..100).map(|_| Vec::new()).collect();
        for _ in 0..1000 {
            for connection in &mut connections {
                if connection.len() < supply.share() {
                    connection.push(received(&supply));
                }
            }
        }
        assert!(supply.left() > 0 && supply.left() < 30, "{} are left", supply.left());
    }

    #[test]
    fn the_last_quarter_is_for_receiving() {
        let supply = Supply::of(8);
        let held: Vec<Buffer> = std::iter::from_fn(|| supply.take()).collect();
        assert_eq!(held.len(), 7, "the one that takes it below a quarter is the last");
        let view = received(&supply);
        let copy = supply.pass_on(view);
        assert_eq!((&copy[..], supply.pool().counts().held), (&b"received"[..], 7));
        drop(held);
        let view = supply.pass_on(received(&supply));
        assert_eq!((&view[..], supply.pool().counts().held), (&b"received"[..], 1));
    }

    #[test]
    fn what_lies_on_the_heap_instead_counts_until_it_is_let_go_of() {
        let mut supply = Supply::of(8);
        let held: Vec<Buffer> = std::iter::from_fn(|| supply.take()).collect();
        let mut copies: Vec<Chunk> = Vec::new();
        for _ in 0..3 {
            let mut copy = supply.substitute(1024);
            copy.bytes.extend_from_slice(b"copied");
            copies.push(copy.into());
        }
        drop(held);
        assert_eq!((supply.substitute_bytes(), supply.share()), (3072, 2));
        let view = supply.substitute(4096);
        supply.take_note();
        assert!(supply.is_short() && supply.take().is_none());
        let part = copies[0].split_off(3);
        // What leaves the core is no longer its business.
        let gone = copies.pop().map(Chunk::into_bytes);
        drop((copies, view));
        assert_eq!(
            (supply.substitute_bytes(), &part[..], gone.as_deref()),
            (1024, &b"ied"[..], Some(&b"copied"[..]))
        );
        drop(part);
        supply.take_note();
        assert!(supply.substitute_bytes() == 0 && supply.share() == 4 && !supply.is_short());
    }

    #[test]
    fn heads_on_the_heap_count() {
        let mut supply = Supply::of(8);
        assert!(supply.take_head_bytes(0, 1024) && supply.take_head_bytes(1024, 2048));
        assert_eq!((supply.head_bytes(), supply.share()), (3072, 2));
        assert!(
            !supply.take_head_bytes(3072, 1024),
            "that is more than half of what is left"
        );
        assert!(
            supply.take_head_bytes(0, 10) && supply.take_head_bytes(10, 1014),
            "everybody's first buffer is granted, in however many pieces"
        );
        supply.give_head_bytes_back(4096);
        assert_eq!((supply.head_bytes(), supply.share()), (0, 4));
    }
}
