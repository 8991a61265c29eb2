//! A block into which small pieces of output are gathered: a pooled buffer, or as much of the heap where none is to spare.

use ringlane_pool::Buffer;
use ringlane_protocol::response;

use crate::chunk::Chunk;
use crate::supply::{Substitute, Supply};

pub(super) enum Block {
    Pooled(Buffer),
    /// Boxed, so that the others stay as small as a buffer.
    Heap(Box<Substitute>),
}

impl Block {
    #[inline]
    pub(super) fn new(supply: &Supply) -> Block {
        match supply.take() {
            Some(buffer) => Block::Pooled(buffer),
            None => Block::Heap(Box::new(supply.substitute(supply.pool().buffer_bytes()))),
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Block::Pooled(buffer) => buffer.len(),
            Block::Heap(heap) => heap.bytes.len(),
        }
    }

    /// Appends bytes by copying them; false where there is no room for all of them.
    pub(super) fn copy(&mut self, bytes: &[u8]) -> bool {
        match self {
            Block::Pooled(buffer) => buffer.extend_from_slice(bytes).is_ok(),
            Block::Heap(substitute) => {
                let heap = &mut substitute.bytes;
                let fits = bytes.len() <= heap.capacity() - heap.len();
                if fits {
                    heap.extend_from_slice(bytes);
                }
                fits
            }
        }
    }

    /// Appends a response: its head, and a short body behind it; false where there is no room for all of it.
    #[inline(always)]
    pub(super) fn copy_response(&mut self, head: &response::Head<'_>, body: &[u8]) -> bool {
        match self {
            Block::Pooled(buffer) => fill(buffer, |out| response::encode_whole(head, body, out)),
            Block::Heap(_) => false,
        }
    }

    /// Appends a response's head, whatever the block is; false where there is no room for all of it.
    pub(super) fn encode(&mut self, head: &response::Head<'_>) -> bool {
        match self {
            Block::Pooled(buffer) => fill(buffer, |out| response::encode(head, out)),
            Block::Heap(substitute) => {
                let heap = &mut substitute.bytes;
                let start = heap.len();
                heap.resize(heap.capacity(), 0);
                let encoded = response::encode(head, &mut heap[start..]);
                heap.truncate(start + encoded.unwrap_or(0));
                encoded.is_some()
            }
        }
    }

    /// What has been gathered, to be sent.
    #[inline]
    pub(super) fn seal(self) -> Chunk {
        match self {
            Block::Pooled(buffer) => buffer.freeze().into(),
            Block::Heap(heap) => (*heap).into(),
        }
    }
}

/// Appends what is written to the spare part of a buffer; false where that is nothing.
#[inline(always)]
fn fill(buffer: &mut Buffer, write: impl FnOnce(&mut [u8]) -> Option<usize>) -> bool {
    let written = write(buffer.spare_mut());
    if let Some(length) = written {
        buffer.advance(length);
    }
    written.is_some()
}
