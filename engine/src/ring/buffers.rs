//! The ring of provided buffers: the few pooled buffers that lie in the kernel's hands for it to receive into.
//!
//! The kernel takes buffers from the head in order and the core adds at the tail (io_uring_register_buf_ring(3)). Only
//! as many as one round of completions uses are lent at a time, and the pool gives the most recently used ones, so
//! that receiving stays within a small piece of memory that the cache holds.

use std::ptr::NonNull;
use std::sync::atomic::{AtomicU16, Ordering};

use io_uring::IoUring;
use io_uring::types::BufRingEntry;
use ringlane_pool::{Pool, View};

use crate::error::Error;

/// The buffer group's number; a core has only the one.
pub(super) const GROUP: u16 = 0;

/// How many buffers are lent at the start, and how many at the most; the latter is the length of the ring. The kernel uses
/// all that are lent, one after the other: more than this would not stay in the cache, and bodies of 16 KiB, which take
/// five each, cost a tenth more with 1024.
const LENT_AT_START: u16 = 32;
const LENT_MAX: u16 = 128;

/// How far a bundle has been taken back: where its next buffer lies in the ring, and how many bytes are left.
pub(super) struct Bundle {
    place: u16,
    left: usize,
}

impl Bundle {
    pub(super) fn is_over(&self) -> bool {
        self.left == 0
    }
}

/// The provided-buffer ring of one io_uring.
pub(super) struct Buffers {
    pool: Pool,
    /// The shared memory: `LENT_MAX` entries, page-aligned; the tail lies in the first entry's reserved field.
    entries: NonNull<BufRingEntry>,
    tail: u16,
    /// Where in the ring each buffer of the pool lies, or lay last.
    places: Box<[u16]>,
    /// Buffers in the kernel's hands; at most `target`, which is at most `LENT_MAX`.
    lent: u16,
    target: u16,
}

impl Buffers {
    /// Makes the ring and registers it. It must outlive the io_uring, or be unregistered before it goes.
    pub(super) fn register(ring: &IoUring, pool: Pool) -> Result<Buffers, Error> {
        const BYTES: usize = LENT_MAX as usize * size_of::<BufRingEntry>();
        // SAFETY: an anonymous private mapping of a non-zero length, at an address of the kernel's choice, aliases
        // nothing; the result is checked before use.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(Error::ring("mapping the ring of receive buffers")(
                std::io::Error::last_os_error(),
            ));
        }
        let entries = NonNull::new(memory.cast()).ok_or_else(|| Error::Ring {
            step: "mapping the ring of receive buffers",
            source: std::io::Error::from_raw_os_error(libc::ENOMEM),
        })?;
        let target = LENT_AT_START;
        let buffers = Buffers {
            places: vec![0; pool.buffers_max()].into(),
            pool,
            entries,
            tail: 0,
            lent: 0,
            target,
        };
        // SAFETY: the mapping is page-aligned, zeroed and LENT_MAX entries long, and `Drop` unmaps it only after
        // `Uring::drop` has unregistered it.
        unsafe {
            ring.submitter()
                .register_buf_ring_with_flags(memory as u64, LENT_MAX, GROUP, 0)
        }
        .map_err(Error::ring("registering the ring of receive buffers"))?;
        Ok(buffers)
    }

    /// How many buffers the kernel holds, or can be lent.
    pub(super) fn spare(&self) -> usize {
        self.pool.buffers_max() - self.pool.counts().held
    }

    /// Lends twice as many from now on.
    pub(super) fn lend_more(&mut self) {
        self.target = (self.target * 2).min(LENT_MAX);
    }

    /// Lends as many as at the start from now on; those beyond are lent until they are used.
    pub(super) fn lend_less(&mut self) {
        self.target = LENT_AT_START;
    }

    /// Tops up the buffers in the kernel's hands, as far as the pool has any.
    pub(super) fn refill(&mut self) {
        let mut tail = self.tail;
        for _ in self.lent..self.target {
            let Some(lent) = self.pool.lend() else { break };
            let place = usize::from(tail & (LENT_MAX - 1));
            debug_assert!(place < usize::from(LENT_MAX));
            // SAFETY: `place` is masked to the ring's length, and the kernel reads an entry only once the tail has
            // passed it, which is published below; no other reference to the entry exists.
            let entry = unsafe { &mut *self.entries.as_ptr().add(place) };
            entry.set_addr(lent.address as u64);
            entry.set_len(lent.bytes as u32);
            entry.set_bid(lent.index);
            self.places[usize::from(lent.index)] = place as u16;
            tail = tail.wrapping_add(1);
        }
        if tail != self.tail {
            self.lent += tail.wrapping_sub(self.tail);
            self.tail = tail;
            // SAFETY: the tail is the reserved field of the first entry, by the kernel's layout; it is aligned for a
            // u16, lives as long as the mapping, and is written here alone. Release publishes the entries before it.
            unsafe {
                let tail = BufRingEntry::tail(self.entries.as_ptr());
                AtomicU16::from_ptr(tail.cast_mut()).store(self.tail, Ordering::Release);
            }
        }
    }

    /// Takes back the buffer that a completion names, with the bytes that were received into it.
    pub(super) fn take_back(&mut self, index: u16, bytes: usize) -> Option<View> {
        let buffer = self.pool.reclaim(index, bytes)?;
        self.lent -= 1; // It was lent, and by `refill`.
        Some(buffer.freeze())
    }

    /// How many bytes the kernel could receive into a buffer: it cuts the last one of a bundle short in the ring itself, and
    /// may leave it there so.
    #[inline]
    pub(super) fn bytes_of(&self, index: u16) -> usize {
        self.places
            .get(usize::from(index))
            .map_or(0, |place| self.entry(*place).len() as usize)
    }

    /// A bundle of so many bytes: they lie in the buffer that its completion names, and in those behind it in the ring.
    pub(super) fn bundle(&self, first: u16, bytes: usize) -> Bundle {
        Bundle {
            place: self.places.get(usize::from(first)).copied().unwrap_or(0),
            left: bytes,
        }
    }

    /// Takes back the next buffer of a bundle.
    pub(super) fn take_next_back(&mut self, bundle: &mut Bundle) -> Option<View> {
        while bundle.left > 0 {
            let entry = self.entry(bundle.place);
            let (index, filled) = (entry.bid(), bundle.left.min(entry.len() as usize));
            let view = self.take_back(index, filled)?;
            bundle.place = (bundle.place + 1) & (LENT_MAX - 1);
            bundle.left -= filled;
            if filled > 0 {
                return Some(view);
            }
        }
        None
    }

    /// An entry that was written before.
    fn entry(&self, place: u16) -> &BufRingEntry {
        debug_assert!(place < LENT_MAX);
        // SAFETY: places are below the ring's length, as `refill` wrote them and the mask keeps them. The kernel writes
        // lengths only within this thread's own system calls, and the borrow keeps `refill` away.
        unsafe { &*self.entries.as_ptr().add(usize::from(place & (LENT_MAX - 1))) }
    }

    /// Takes back every buffer that still lies in the ring, after the kernel has let go of the ring.
    pub(super) fn take_all_back(&mut self) {
        for behind in 1..=self.lent {
            let place = usize::from(self.tail.wrapping_sub(behind) & (LENT_MAX - 1));
            // SAFETY: `place` is masked to the ring's length, the entry was written by `refill`, and the kernel, which
            // has let go of the ring, never writes entries.
            let index = unsafe { (*self.entries.as_ptr().add(place)).bid() };
            drop(self.pool.reclaim(index, 0));
        }
        self.lent = 0;
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by `register` with this length and is no longer registered (the io_uring that
        // knew it is closed or has unregistered it), so nothing refers to it.
        unsafe {
            libc::munmap(
                self.entries.as_ptr().cast(),
                usize::from(LENT_MAX) * size_of::<BufRingEntry>(),
            )
        };
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;

    use ringlane_pool::{Options, Pool, Slots};

    use crate::ring::{Completion, Received, Ring, Uring, Wait};

    /// What lies in a socket comes in order, however many buffers a completion of the kernel's covers, and all buffers come
    /// back; also where the kernel has fewer than it wants.
    #[test]
    fn bundles_come_buffer_by_buffer() {
        for buffers_max in [4, 7, 64] {
            let options = Options {
                buffer_bytes: 1024,
                buffers_max,
                buffers_step: 1,
            };
            let pool = Pool::new(options).unwrap();
            let Ok(mut ring) = Uring::new(64, pool.clone(), crate::control::eventfd().unwrap()) else {
                eprintln!("skipped: there is no io_uring here");
                return;
            };
            let key = Slots::new().insert(());
            let (mut client, server) = UnixStream::pair().unwrap();
            for length in [1, 1024, 1025, 4096, 20_000, 70_001] {
                let sent: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
                client.write_all(&sent).unwrap();
                ring.receive(server.as_raw_fd(), key, true);
                let mut received = Vec::new();
                let mut armed = true;
                while received.len() < length {
                    if !std::mem::replace(&mut armed, true) {
                        ring.receive(server.as_raw_fd(), key, true);
                    }
                    ring.enter(Wait::UpTo(std::time::Duration::from_secs(5))).unwrap();
                    while let Some(completion) = ring.next_completion() {
                        let more = match completion {
                            Completion::Received(Received { view, more, .. }) => {
                                received.extend_from_slice(&view);
                                more
                            }
                            Completion::NothingReceived { more, .. } => more,
                            _ => continue,
                        };
                        assert!(armed || !more, "something comes behind the last completion");
                        armed = more;
                    }
                }
                assert!(received == sent, "{length} bytes in {buffers_max} buffers");
                assert_eq!(pool.counts().held, 0);
                if armed {
                    ring.cancel_receive(key);
                    while armed {
                        ring.enter(Wait::UpTo(std::time::Duration::from_secs(5))).unwrap();
                        while let Some(completion) = ring.next_completion() {
                            armed &= !matches!(completion, Completion::NothingReceived { more: false, .. });
                        }
                    }
                }
            }
            drop(ring);
            assert_eq!(pool.counts().lent, 0, "a buffer was lost");
        }
    }
}
