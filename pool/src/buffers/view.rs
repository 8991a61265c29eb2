//! Views: shared, read-only parts of buffers.

use std::ops::{Bound, Deref, RangeBounds};
use std::ptr::NonNull;
use std::{fmt, slice};

use super::hold::Hold;

/// A part of a buffer that others may see too. Cloning and cutting it never copies bytes; the buffer returns to its
/// pool when the last view of it is dropped, also when that view is empty.
///
/// ```
/// use ringlane_pool::{Options, Pool};
///
/// let pool = Pool::new(Options { buffer_bytes: 1024, buffers_max: 8, buffers_step: 8 })?;
/// let mut buffer = pool.take().expect("a new pool has free buffers");
/// buffer.extend_from_slice(b"Host: localhost\r\n")?;
///
/// let line = buffer.freeze();
/// let name = line.slice(..4);
/// let value = line.slice(6..15);
/// assert_eq!(name, b"Host");
/// assert_eq!(value, b"localhost");
/// assert_eq!(value.as_ptr(), line[6..].as_ptr());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct View {
    /// One of the references; its length is that of the view.
    hold: Hold,
    /// This and the length after it lie within the buffer that `hold` refers to.
    start: NonNull<u8>,
}

impl View {
    /// The filled part of a buffer.
    #[inline]
    pub(super) fn of_whole(hold: Hold) -> View {
        View {
            start: hold.address(),
            hold,
        }
    }

    /// A view of a part of this one.
    ///
    /// # Panics
    ///
    /// When the range ends before it begins, or beyond the end of the view.
    #[inline]
    #[track_caller]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> View {
        let begin = match range.start_bound() {
            Bound::Included(&begin) => Some(begin),
            Bound::Excluded(&before) => before.checked_add(1),
            Bound::Unbounded => Some(0),
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.checked_add(1),
            Bound::Excluded(&end) => Some(end),
            Bound::Unbounded => Some(self.len()),
        };
        match (begin, end) {
            (Some(begin), Some(end)) if begin <= end && end <= self.len() => {
                let mut view = self.clone();
                view.truncate(end);
                view.advance(begin);
                view
            }
            _ => out_of_range(),
        }
    }

    /// Cuts the first `n` bytes off and returns them.
    ///
    /// # Panics
    ///
    /// When the view is shorter.
    #[inline]
    #[track_caller]
    pub fn split_to(&mut self, n: usize) -> View {
        if n > self.len() {
            out_of_range();
        }
        let mut head = self.clone();
        head.truncate(n);
        self.advance(n);
        head
    }

    /// Drops the first `n` bytes.
    ///
    /// # Panics
    ///
    /// When the view is shorter.
    #[inline]
    #[track_caller]
    pub fn advance(&mut self, n: usize) {
        if n > self.len() {
            out_of_range();
        }
        // SAFETY: not beyond the end of the view, which lies within the buffer.
        self.start = unsafe { self.start.add(n) };
        // Lossless: not more than the length, which is a `u32`.
        self.hold.len -= n as u32;
    }

    /// Drops all but the first `n` bytes. Does nothing when the view is not longer.
    #[inline]
    pub fn truncate(&mut self, n: usize) {
        if n < self.len() {
            // Lossless: less than the length, which is a `u32`.
            self.hold.len = n as u32;
        }
    }
}

impl Deref for View {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let len = self.hold.len as usize;
        debug_assert!(self.hold.is_held());
        debug_assert!({
            let (first, start) = (self.hold.address().addr().get(), self.start.addr().get());
            first <= start && start + len <= first + self.hold.capacity()
        });
        // SAFETY: the range lies within the buffer, whose bytes are all initialised. Nobody writes to it: freezing gave
        // up the only `Buffer`, and none is made again before the last reference is gone.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), len) }
    }
}

impl AsRef<[u8]> for View {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// Compares bytes, with anything that is bytes.
impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for View {
    #[inline]
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for View {}

/// Shows the bytes, those that do not print as escapes.
impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.escape_ascii())
    }
}

#[cold]
#[track_caller]
fn out_of_range() -> ! {
    panic!("the range is not within the view");
}
