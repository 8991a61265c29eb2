//! Buffers in one hand: filled from the front, then frozen into views; or with the kernel, which fills them.

use std::ops::Deref;
use std::{fmt, slice};

use super::View;
use super::hold::Hold;

/// A buffer of a [`Pool`](super::Pool) that nobody else has. It starts empty and is filled from the front; as a slice
/// it is its filled part. Dropping it returns it to the pool.
///
/// ```
/// use ringlane_pool::{Options, Pool};
///
/// let pool = Pool::new(Options { buffer_bytes: 1024, buffers_max: 8, buffers_step: 8 })?;
/// let mut buffer = pool.take().expect("a new pool has free buffers");
/// buffer.extend_from_slice(b"HTTP/1.1 ")?;
/// buffer.spare_mut()[..3].copy_from_slice(b"200");
/// buffer.advance(3);
/// assert_eq!(*buffer, *b"HTTP/1.1 200");
/// assert_eq!(buffer.remaining(), 1024 - 12);
///
/// buffer.clear();
/// assert!(buffer.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Buffer {
    /// The only reference; its length is that of the filled part.
    pub(super) hold: Hold,
}

/// A buffer that [`Pool::lend`](super::Pool::lend) gave to the kernel. It comes back by
/// [`Pool::reclaim`](super::Pool::reclaim), not by being dropped.
///
/// ```
/// use ringlane_pool::{Options, Pool};
///
/// let pool = Pool::new(Options { buffer_bytes: 1024, buffers_max: 8, buffers_step: 8 })?;
/// let lent = pool.lend().expect("a new pool has free buffers");
/// // SAFETY: the address is valid for 1024 bytes until the buffer is reclaimed, and nobody else uses it.
/// unsafe { lent.address.copy_from(b"received".as_ptr(), 8) };
///
/// let buffer = pool.reclaim(lent.index, 8).expect("it was lent");
/// assert_eq!(*buffer, *b"received");
/// assert!(pool.reclaim(lent.index, 8).is_none());
/// # Ok::<(), ringlane_pool::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "a lent buffer stays lent until its index is reclaimed"]
pub struct Lent {
    /// The first byte. All `bytes` from here may be read and written until the buffer is reclaimed.
    pub address: *mut u8,
    /// The size of the buffer, in bytes.
    pub bytes: usize,
    /// Which of the pool's buffers it is.
    pub index: u16,
}

/// The bytes do not fit into what remains of a buffer. Nothing was written.
///
/// ```
/// use ringlane_pool::{Full, Options, Pool};
///
/// let pool = Pool::new(Options { buffer_bytes: 1024, buffers_max: 8, buffers_step: 8 })?;
/// let mut buffer = pool.take().expect("a new pool has free buffers");
/// assert_eq!(buffer.extend_from_slice(&[0; 1025]), Err(Full));
/// assert_eq!(buffer.remaining(), 1024);
/// # Ok::<(), ringlane_pool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Buffer {
    /// Which of the pool's buffers this is: less than `buffers_max`.
    #[inline]
    pub fn index(&self) -> u16 {
        self.hold.index()
    }

    /// The number of filled bytes.
    #[inline]
    pub fn len(&self) -> usize {
        self.hold.len as usize
    }

    /// Whether no byte is filled.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.hold.len == 0
    }

    /// The number of bytes, filled or not: the pool's `buffer_bytes`.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.hold.capacity()
    }

    /// The number of bytes that are not filled.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.capacity() - self.len()
    }

    /// The part that is not filled. It may contain what an earlier user of the buffer left there: write to it before
    /// you [`advance`](Buffer::advance).
    #[inline]
    pub fn spare_mut(&mut self) -> &mut [u8] {
        let (filled, spare) = (self.len(), self.remaining());
        debug_assert!(self.hold.is_exclusive());
        // SAFETY: `filled + spare` is the size of the buffer, all of it initialised since the mapping began as zeros.
        // This is the only reference to the buffer, borrowed mutably for as long as the slice lives.
        unsafe { slice::from_raw_parts_mut(self.hold.address().as_ptr().add(filled), spare) }
    }

    /// Marks the first `filled` bytes of [`spare_mut`](Buffer::spare_mut) as filled.
    ///
    /// # Panics
    ///
    /// When fewer bytes remain.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, filled: usize) {
        assert!(
            filled <= self.remaining(),
            "a buffer cannot be filled beyond its capacity"
        );
        // Lossless: not more than the capacity, which is at most 1 MiB.
        self.hold.len += filled as u32;
    }

    /// Appends all of `bytes`, or nothing.
    ///
    /// # Errors
    ///
    /// When fewer bytes remain.
    #[inline]
    pub fn extend_from_slice(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let tail = self.spare_mut().get_mut(..bytes.len()).ok_or(Full)?;
        tail.copy_from_slice(bytes);
        self.advance(bytes.len());
        Ok(())
    }

    /// Makes it empty, leaving the bytes where they are.
    #[inline]
    pub fn clear(&mut self) {
        self.hold.len = 0;
    }

    /// Makes the filled part shareable, without copying. The rest of the buffer is out of reach until the last view is
    /// dropped and the buffer is free again.
    #[inline]
    pub fn freeze(self) -> View {
        View::of_whole(self.hold)
    }
}

impl Deref for Buffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        debug_assert!(self.hold.is_exclusive());
        // SAFETY: the filled part is at most the buffer, initialised since the mapping began as zeros. Only this
        // reference could write to it, and it is borrowed for as long as the slice lives.
        unsafe { slice::from_raw_parts(self.hold.address().as_ptr(), self.len()) }
    }
}

/// Shows where it is and how full, not the bytes.
impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffer")
            .field("index", &self.index())
            .field("len", &self.len())
            .field("capacity", &self.capacity())
            .finish()
    }
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the bytes do not fit into the rest of the buffer; pass this one on and take another")
    }
}

impl std::error::Error for Full {}
