//! One reference to a held buffer: keeps it from being reused, and the pool from going away.

use std::ptr::NonNull;
use std::rc::Rc;

use super::shared::Shared;

/// Counts as one of the references in the buffer's state. Dropping it takes that reference back.
///
/// Each owns one count of the `Rc`. So does each lent buffer, which gives it to the `Hold` that reclaims it. So the pool
/// exists for as long as any of its buffers is held or lent.
pub(super) struct Hold {
    shared: Rc<Shared>,
    /// How many bytes of the buffer are its owner's business; at most `buffer_bytes`. It is here, and not with the
    /// owner, because here it costs no space.
    pub(super) len: u32,
    /// Of a buffer in state held: less than `buffers_max`. It fills the word, so that no padding is moved about.
    index: u32,
}

impl Hold {
    /// The first reference to a buffer that has just been taken; `len` is at most `buffer_bytes`.
    #[inline]
    pub(super) fn first(shared: Rc<Shared>, index: u16, len: u32) -> Hold {
        debug_assert!(shared.is_exclusive(index));
        debug_assert!(len as usize <= shared.buffer_bytes());
        Hold {
            shared,
            len,
            index: u32::from(index),
        }
    }

    /// The first reference to a buffer that comes back from the kernel; `None` if `index` is not lent or `len` too
    /// long.
    #[inline]
    pub(super) fn reclaim(shared: &Rc<Shared>, index: u16, len: usize) -> Option<Hold> {
        if len > shared.buffer_bytes() || !shared.reclaim(index) {
            return None;
        }
        // SAFETY: the buffer was lent, so `Pool::lend` forgot one count of this very `Rc` for it, which is taken over
        // here. That happens once, as the buffer is not lent any more.
        let shared = unsafe { Rc::from_raw(Rc::as_ptr(shared)) };
        Some(Hold::first(shared, index, len as u32))
    }

    #[inline]
    pub(super) fn index(&self) -> u16 {
        // Lossless: it was one.
        self.index as u16
    }

    #[inline]
    pub(super) fn capacity(&self) -> usize {
        self.shared.buffer_bytes()
    }

    /// The first byte of the buffer.
    #[inline]
    pub(super) fn address(&self) -> NonNull<u8> {
        // SAFETY: the state of the buffer `index` was set before this hold was made, so there is such a buffer.
        unsafe { self.shared.address(self.index()) }
    }

    /// Whether the buffer is held, as it must be.
    pub(super) fn is_held(&self) -> bool {
        self.shared.is_held(self.index())
    }

    /// Whether this is the only reference.
    pub(super) fn is_exclusive(&self) -> bool {
        self.shared.is_exclusive(self.index())
    }
}

impl Clone for Hold {
    #[inline]
    fn clone(&self) -> Hold {
        self.shared.add_reference(self.index());
        Hold {
            shared: Rc::clone(&self.shared),
            len: self.len,
            index: self.index,
        }
    }
}

impl Drop for Hold {
    #[inline]
    fn drop(&mut self) {
        self.shared.remove_reference(self.index());
    }
}
