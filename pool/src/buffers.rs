//! Pools: who makes one, takes from it, and gives back to it.

mod buffer;
mod hold;
mod shared;
mod view;

#[cfg(test)]
mod tests;

pub use buffer::{Buffer, Full, Lent};
pub use view::View;

use std::rc::Rc;
use std::{fmt, mem};

use crate::Error;
use hold::Hold;
use shared::Shared;

/// The smallest buffer: less would not hold an ordinary request's head.
const BUFFER_BYTES_MIN: usize = 1024;
/// The largest buffer: lengths stay far from the limits of `u32`.
const BUFFER_BYTES_MAX: usize = 1024 * 1024;
/// The most buffers: the kernel's rings of provided buffers have at most this many entries.
const BUFFERS_MAX: usize = 32_768;

/// How large a pool's buffers are and how many it may have.
///
/// ```
/// use ringlane_pool::{Options, Pool};
///
/// // Up to 4 MiB in buffers of 4 KiB, 16 more of them whenever all others are in use.
/// let pool = Pool::new(Options { buffer_bytes: 4096, buffers_max: 1024, buffers_step: 16 })?;
/// # Ok::<(), ringlane_pool::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    /// The size of every buffer, in bytes: a power of two from 1 KiB to 1 MiB.
    pub buffer_bytes: usize,
    /// The most buffers that the pool ever has, `1..=32768`. Address space for all is reserved at once.
    pub buffers_max: usize,
    /// By how many buffers the pool grows when none is free, at least 1.
    pub buffers_step: usize,
}

/// What became of a pool's buffers. Every number is in buffers.
///
/// ```
/// use ringlane_pool::{Counts, Options, Pool};
///
/// let pool = Pool::new(Options { buffer_bytes: 4096, buffers_max: 64, buffers_step: 8 })?;
/// assert_eq!(pool.counts(), Counts { total: 0, free: 0, lent: 0, held: 0, resident: 0 });
/// let buffer = pool.take();
/// assert_eq!(pool.counts(), Counts { total: 8, free: 7, lent: 0, held: 1, resident: 1 });
/// # Ok::<(), ringlane_pool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Those that the pool has grown to so far: the sum of `free`, `lent` and `held`. It never shrinks.
    pub total: usize,
    /// Those that can be taken without growing.
    pub free: usize,
    /// Those that are with the kernel.
    pub lent: usize,
    /// Those that a [`Buffer`] or some [`View`]s hold.
    pub held: usize,
    /// Those that have been taken since the pool was made or [trimmed](Pool::trim) them; no others occupy memory of their own.
    pub resident: usize,
}

/// A pool of buffers of equal size, for one thread. Clones are handles to the same pool.
///
/// The address space for all buffers is reserved when the pool is made; memory is occupied only by those in use and
/// those that were. The reservation is released when the last handle, [`Buffer`] and [`View`] are gone. While a buffer
/// is lent the kernel may write to it, so that a pool which nobody can reach any more but which has buffers lent is
/// leaked on purpose. Keep a handle until the kernel is done, and [reclaim](Pool::reclaim) every buffer, to avoid it.
///
/// ```
/// use ringlane_pool::{Options, Pool};
///
/// let pool = Pool::new(Options { buffer_bytes: 1024, buffers_max: 2, buffers_step: 1 })?;
/// let (first, second) = (pool.take(), pool.take());
/// assert!(first.is_some() && second.is_some());
/// assert!(pool.take().is_none());
///
/// drop(first);
/// assert!(pool.take().is_some());
/// # Ok::<(), ringlane_pool::Error>(())
/// ```
///
/// It stays on its thread, and so do its buffers and their views:
///
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<ringlane_pool::Pool>();
/// ```
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<ringlane_pool::Buffer>();
/// ```
/// ```compile_fail,E0277
/// fn send<T: Send>() {}
/// send::<ringlane_pool::View>();
/// ```
#[derive(Clone)]
pub struct Pool {
    shared: Rc<Shared>,
}

impl Pool {
    /// Reserves the address space for all buffers. The first ones join when they are taken.
    ///
    /// # Errors
    ///
    /// When an option is out of its range, and when the system refuses the reservation.
    pub fn new(options: Options) -> Result<Pool, Error> {
        let Options {
            buffer_bytes,
            buffers_max,
            buffers_step,
        } = options;
        if !buffer_bytes.is_power_of_two() || !(BUFFER_BYTES_MIN..=BUFFER_BYTES_MAX).contains(&buffer_bytes) {
            return Err(Error::BufferBytes { given: buffer_bytes });
        }
        if !(1..=BUFFERS_MAX).contains(&buffers_max) {
            return Err(Error::BuffersMax { given: buffers_max });
        }
        if buffers_step == 0 {
            return Err(Error::BuffersStep);
        }
        Ok(Pool {
            shared: Rc::new(Shared::new(options)?),
        })
    }

    /// Takes the most recently used free buffer, or grows by one step when none is free. It is empty; the bytes that
    /// [`spare_mut`](Buffer::spare_mut) shows are what its last user left there.
    ///
    /// `None` when all `buffers_max` buffers are in use.
    #[inline]
    pub fn take(&self) -> Option<Buffer> {
        let index = self.shared.take()?;
        Some(Buffer {
            hold: Hold::first(Rc::clone(&self.shared), index, 0),
        })
    }

    /// Takes a buffer as [`take`](Pool::take) does and hands all of it to the kernel. It counts as lent until
    /// [`reclaim`](Pool::reclaim) takes it back.
    ///
    /// Whoever makes the kernel, or anyone, write to the [address](Lent::address) must reclaim the buffer only after
    /// the last write: this is the condition of safety for the unsafe code that passes the address on.
    #[inline]
    pub fn lend(&self) -> Option<Lent> {
        let index = self.shared.lend()?;
        debug_assert!(self.shared.is_lent(index));
        // The count of the lent buffer's own, which `reclaim` takes over.
        mem::forget(Rc::clone(&self.shared));
        Some(Lent {
            // SAFETY: an index that the pool gives out is that of one of its buffers.
            address: unsafe { self.shared.address(index) }.as_ptr(),
            bytes: self.buffer_bytes(),
            index,
        })
    }

    /// Takes back a buffer that was [lent](Pool::lend) and is now filled with `len` bytes. Use 0 for a buffer that
    /// the kernel let go unused, such as when a ring was torn down.
    ///
    /// `None`, and no change, when the buffer `index` is not lent or smaller than `len`.
    ///
    /// Whoever passed [`Lent::address`] on promised that nothing is written through it from here on.
    #[inline]
    pub fn reclaim(&self, index: u16, len: usize) -> Option<Buffer> {
        Hold::reclaim(&self.shared, index, len).map(|hold| Buffer { hold })
    }

    /// The size of every buffer, in bytes.
    #[inline]
    pub fn buffer_bytes(&self) -> usize {
        self.shared.buffer_bytes()
    }

    /// How many buffers the pool may grow to.
    #[inline]
    pub fn buffers_max(&self) -> usize {
        self.shared.options().buffers_max
    }

    /// Gives the memory of all free buffers but the `keep` most recently used back to the system, and returns how many
    /// bytes that was. Those buffers are taken last from now on, and their bytes are zero.
    ///
    /// Only whole pages can be given back. Where a page is larger than a buffer, one whose neighbours are in use keeps
    /// its memory. So does one whose memory the system does not take, as when the process has locked it.
    ///
    /// This allocates, sorts, and makes one system call per run of adjacent buffers: do it when there is little else
    /// to do.
    pub fn trim(&self, keep: usize) -> usize {
        self.shared.trim(keep)
    }

    /// Where the buffers are.
    #[inline]
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("options", self.shared.options())
            .field("counts", &self.counts())
            .finish()
    }
}
