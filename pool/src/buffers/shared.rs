//! What all handles of a pool share: the memory, the state of every buffer, and the stack of free ones.

use std::cell::Cell;
use std::ptr::NonNull;

use super::{Counts, Options};
use crate::Error;
use crate::region::Region;

/// State: free or not yet grown to, with no memory behind. Its bytes are zero.
const EMPTY: u32 = 0;
/// State: held, by so many references. Between this and `EMPTY` lie the smaller numbers of references.
const REFERENCES_MAX: u32 = u32::MAX - 2;
/// State: free, with memory behind.
const FREE: u32 = u32::MAX - 1;
/// State: with the kernel.
const LENT: u32 = u32::MAX;

/// Exists for as long as a pool's handle does, a buffer is held, or a buffer is lent (see `Hold`): its `Rc`s outlive
/// every address in the region that is in use.
pub(super) struct Shared {
    region: Region,
    options: Options,
    /// By index of the buffer, one of the states above. `buffers_max` entries.
    states: Box<[Cell<u32>]>,
    /// `stack[..free]` are the free buffers, the most recently used last: `stack[..empty]` are those in state `EMPTY`,
    /// `stack[empty..free]` those in state `FREE`. `buffers_max` entries, so that a push always fits.
    stack: Box<[Cell<u16>]>,
    empty: Cell<usize>,
    free: Cell<usize>,
    lent: Cell<usize>,
    /// Buffers from here on were never grown to: they are in state `EMPTY` and not on the stack.
    total: Cell<usize>,
}

impl Shared {
    /// Takes options that were found to be in range.
    pub(super) fn new(options: Options) -> Result<Shared, Error> {
        let buffers_max = options.buffers_max;
        Ok(Shared {
            region: Region::reserve(options.buffer_bytes.saturating_mul(buffers_max))?,
            options,
            states: cells(vec![EMPTY; buffers_max]),
            stack: cells(vec![0; buffers_max]),
            empty: Cell::new(0),
            free: Cell::new(0),
            lent: Cell::new(0),
            total: Cell::new(0),
        })
    }

    pub(super) fn options(&self) -> &Options {
        &self.options
    }

    #[inline]
    pub(super) fn buffer_bytes(&self) -> usize {
        self.options.buffer_bytes
    }

    /// The first of a buffer's `buffer_bytes`.
    ///
    /// # Safety
    ///
    /// `index` is that of a buffer: less than `buffers_max`.
    #[inline]
    pub(super) unsafe fn address(&self, index: u16) -> NonNull<u8> {
        debug_assert!(usize::from(index) < self.states.len());
        let offset = usize::from(index) * self.buffer_bytes();
        debug_assert!(offset + self.buffer_bytes() <= self.region.bytes());
        // SAFETY: the region has `buffer_bytes` for each of `buffers_max` buffers, so the offset lies within it.
        unsafe { self.region.start().add(offset) }
    }

    /// Turns the most recently used free buffer into a held one with one reference.
    #[inline]
    pub(super) fn take(&self) -> Option<u16> {
        self.pop(1)
    }

    /// Turns the most recently used free buffer into a lent one.
    #[inline]
    pub(super) fn lend(&self) -> Option<u16> {
        let index = self.pop(LENT)?;
        self.lent.set(self.lent.get() + 1);
        Some(index)
    }

    /// Takes the most recently used free buffer off the stack and gives it another state.
    #[inline]
    fn pop(&self, state: u32) -> Option<u16> {
        if self.free.get() == self.empty.get() && !self.uncover() {
            return None;
        }
        let top = self.free.get() - 1;
        let index = self.stack[top].get();
        debug_assert_eq!(self.state(index), FREE);
        self.free.set(top);
        self.states[usize::from(index)].set(state);
        Some(index)
    }

    /// Adds a reference to a held buffer.
    #[inline]
    pub(super) fn add_reference(&self, index: u16) {
        let state = &self.states[usize::from(index)];
        debug_assert!((1..=REFERENCES_MAX).contains(&state.get()));
        if state.get() == REFERENCES_MAX {
            too_many_references();
        }
        state.set(state.get() + 1);
    }

    /// Takes a reference from a held buffer. With the last one it becomes free, and the most recently used.
    #[inline]
    pub(super) fn remove_reference(&self, index: u16) {
        debug_assert!(self.is_held(index));
        // Without a panic, which would make dropping a function that can unwind.
        let Some(state) = self.states.get(usize::from(index)) else {
            return;
        };
        if state.get() > 1 {
            state.set(state.get() - 1);
            return;
        }
        state.set(FREE);
        let free = self.free.get();
        debug_assert!(free < self.stack.len());
        if let Some(slot) = self.stack.get(free) {
            slot.set(index);
            self.free.set(free + 1);
        }
    }

    /// Turns a lent buffer into a held one with one reference. Says whether it was a lent one.
    #[inline]
    pub(super) fn reclaim(&self, index: u16) -> bool {
        match self.states.get(usize::from(index)) {
            Some(state) if state.get() == LENT => {
                state.set(1);
                self.lent.set(self.lent.get() - 1);
                true
            }
            _ => false,
        }
    }

    /// Whether somebody holds the buffer.
    pub(super) fn is_held(&self, index: u16) -> bool {
        (1..=REFERENCES_MAX).contains(&self.state(index))
    }

    /// Whether exactly one reference holds the buffer.
    pub(super) fn is_exclusive(&self, index: u16) -> bool {
        self.state(index) == 1
    }

    /// Whether the buffer is with the kernel.
    pub(super) fn is_lent(&self, index: u16) -> bool {
        self.state(index) == LENT
    }

    #[inline]
    pub(super) fn counts(&self) -> Counts {
        let (total, free, lent) = (self.total.get(), self.free.get(), self.lent.get());
        Counts {
            total,
            free,
            lent,
            held: total - free - lent,
            resident: total - self.empty.get(),
        }
    }

    /// See [`Pool::trim`](super::Pool::trim).
    pub(super) fn trim(&self, keep: usize) -> usize {
        let empty = self.empty.get();
        let end = self.free.get().saturating_sub(keep);
        if end <= empty {
            return 0;
        }
        let slots = &self.stack[empty..end];
        let candidates: Vec<u16> = slots.iter().map(Cell::get).collect();
        // Provisionally, so that the state tells which blocks have no other buffers.
        candidates
            .iter()
            .for_each(|&index| self.states[usize::from(index)].set(EMPTY));
        let blocks = self.give_back_blocks(&candidates);

        let per_block = self.block_bytes() / self.buffer_bytes();
        let (mut given, kept): (Vec<u16>, Vec<u16>) = candidates
            .iter()
            .partition(|&&index| blocks.binary_search(&(usize::from(index) / per_block)).is_ok());
        kept.iter().for_each(|&index| self.states[usize::from(index)].set(FREE));
        // The lowest addresses are taken first, so that use gathers there.
        given.sort_unstable_by(|a, b| b.cmp(a));
        slots
            .iter()
            .zip(given.iter().chain(&kept))
            .for_each(|(slot, &index)| slot.set(index));
        self.empty.set(empty + given.len());
        blocks.len() * self.block_bytes()
    }

    /// Gives the memory of those blocks back that some of the candidates lie in and that have only `EMPTY` buffers.
    /// Returns the numbers of the blocks where that succeeded, in order.
    fn give_back_blocks(&self, candidates: &[u16]) -> Vec<usize> {
        let block_bytes = self.block_bytes();
        let per_block = block_bytes / self.buffer_bytes();
        let is_empty = |block: &usize| {
            let buffers = self.states.iter().skip(block * per_block).take(per_block);
            buffers.map(Cell::get).all(|state| state == EMPTY)
        };
        let mut blocks: Vec<usize> = candidates.iter().map(|&index| usize::from(index) / per_block).collect();
        blocks.sort_unstable();
        blocks.dedup();
        blocks.retain(is_empty);

        let mut given = Vec::with_capacity(blocks.len());
        for run in blocks.chunk_by(|a, b| a + 1 == *b) {
            debug_assert!(run.iter().all(is_empty));
            // SAFETY: blocks are whole pages of the region. Every buffer in these is empty, so that no `Buffer` or
            // `View` refers to it and it is not with the kernel.
            if unsafe { self.region.give_back(run[0] * block_bytes, run.len() * block_bytes) }.is_ok() {
                given.extend_from_slice(run);
            }
        }
        given
    }

    /// The size of a block: a buffer, or as many buffers as share one page, since memory is given back by pages. Both
    /// are powers of two, so that blocks are whole pages and whole buffers.
    fn block_bytes(&self) -> usize {
        self.buffer_bytes().max(self.region.page_bytes())
    }

    /// Counts the uppermost of the empty buffers among those with memory behind, as it will be taken next, and grows where
    /// there is none. Says whether there was any left.
    #[cold]
    fn uncover(&self) -> bool {
        debug_assert_eq!(self.free.get(), self.empty.get());
        if self.empty.get() == 0 && !self.grow() {
            return false;
        }
        let top = self.empty.get() - 1;
        self.states[usize::from(self.stack[top].get())].set(FREE);
        self.empty.set(top);
        true
    }

    /// Puts one more step of buffers on the empty stack, the lowest on top. Says whether there were any left.
    fn grow(&self) -> bool {
        debug_assert_eq!(self.free.get(), 0);
        let total = self.total.get();
        let step = self.options.buffers_step.min(self.options.buffers_max - total);
        for (slot, index) in self.stack[..step].iter().zip((total..total + step).rev()) {
            // Lossless: there are at most 2^15 buffers.
            slot.set(index as u16);
        }
        self.total.set(total + step);
        self.free.set(step);
        self.empty.set(step);
        step > 0
    }

    fn state(&self, index: u16) -> u32 {
        self.states[usize::from(index)].get()
    }

    #[cfg(test)]
    pub(super) fn region(&self) -> &Region {
        &self.region
    }

    /// What the comments on the fields promise.
    #[cfg(test)]
    pub(super) fn assert_consistent(&self) {
        let (empty, free, total) = (self.empty.get(), self.free.get(), self.total.get());
        let on_stack = |range: std::ops::Range<usize>| self.stack[range].iter().map(|slot| self.state(slot.get()));
        assert!(on_stack(0..empty).all(|state| state == EMPTY));
        assert!(on_stack(empty..free).all(|state| state == FREE));
        let count = |wanted| {
            self.states[..total]
                .iter()
                .filter(|state| state.get() == wanted)
                .count()
        };
        assert_eq!(
            (count(EMPTY), count(FREE), count(LENT)),
            (empty, free - empty, self.lent.get())
        );
        assert!(self.states[total..].iter().all(|state| state.get() == EMPTY));
    }

    #[cfg(test)]
    pub(super) fn set_references(&self, index: u16, references: u32) {
        assert!(self.is_held(index) && (1..=REFERENCES_MAX).contains(&references));
        self.states[usize::from(index)].set(references);
    }
}

#[cold]
fn too_many_references() -> ! {
    panic!("a pooled buffer has 2^32 - 3 views; some must have been leaked");
}

/// Makes a table of cells. Zeros come from the allocator as untouched pages, and `Vec` passes them on like that for
/// plain numbers only, not for cells: so the table occupies memory only where it is used.
fn cells<T: Copy>(values: Vec<T>) -> Box<[Cell<T>]> {
    let values = Box::into_raw(values.into_boxed_slice());
    // SAFETY: the pointer was a box of as many `T`, and `Cell<T>` has the same layout as `T`.
    unsafe { Box::from_raw(values as *mut [Cell<T>]) }
}
