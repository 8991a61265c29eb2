//! What a connection has to send: small things encoded one behind the other into a block, large ones in place.

use ringlane_protocol::response;

use super::block::Block;
use crate::chunk::Chunk;
use crate::ring::Transmission;
use crate::supply::Supply;

/// Up to this length a chunk is copied behind its head; a longer one is sent from where it lies. Copying a kilobyte
/// costs about as much as one more piece in a gathering send.
const COPY_BYTES_MAX: usize = 1024;

/// Bytes to send, in order: first `sealed`, then `open`.
#[derive(Default)]
pub(super) struct Output {
    sealed: Option<Box<Transmission>>,
    /// The block into which small things are encoded.
    open: Option<Block>,
}

impl Output {
    /// How many bytes are to be sent.
    pub(super) fn bytes(&self) -> usize {
        self.sealed.as_ref().map_or(0, |sealed| sealed.bytes()) + self.open.as_ref().map_or(0, Block::len)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        (self.sealed.is_none() && self.open.is_none()) || self.bytes() == 0
    }

    pub(super) fn clear(&mut self, supply: &mut Supply) {
        self.open = None;
        if let Some(sealed) = self.sealed.take() {
            supply.recycle(sealed);
        }
    }

    /// Appends a response by copying it, head and body; false where its body is long, or there is no room for all of it.
    #[inline(always)]
    pub(super) fn copy_response(&mut self, head: &response::Head<'_>, body: &[u8], supply: &mut Supply) -> bool {
        let open = self.open.get_or_insert_with(|| Block::new(supply));
        body.len() <= COPY_BYTES_MAX && open.copy_response(head, body)
    }

    /// Appends a response of whatever size. It takes a copy of the head: a reference would have it in memory where it is
    /// copied, too.
    #[cold]
    pub(super) fn push_response(&mut self, head: response::Head<'_>, body: Chunk, supply: &mut Supply) {
        self.push_head(&head, supply);
        if !body.is_empty() {
            self.push(body, supply);
        }
    }

    /// Appends a response's head.
    pub(super) fn push_head(&mut self, head: &response::Head<'_>, supply: &mut Supply) {
        let open = self.open.get_or_insert_with(|| Block::new(supply));
        if open.encode(head) || self.open_another(supply).encode(head) {
            return;
        }
        // Longer than a whole block: a head of its own.
        let mut bytes = vec![0; response::encoded_bytes_max(head)];
        let length = response::encode(head, &mut bytes).unwrap_or(0);
        debug_assert!(length > 0, "a head is longer than its bound");
        bytes.truncate(length);
        self.push_in_place(bytes.into(), supply);
    }

    /// Appends a piece of a body: copied where it is short, else in place.
    pub(super) fn push(&mut self, chunk: Chunk, supply: &mut Supply) {
        if chunk.len() > COPY_BYTES_MAX || !self.copy(&chunk, supply) {
            self.push_in_place(chunk, supply);
        }
    }

    /// Appends a chunk with its framing (RFC 9112 §7.1).
    pub(super) fn push_chunked(&mut self, chunk: Chunk, supply: &mut Supply) {
        if chunk.is_empty() {
            return; // A chunk of length zero would be the last one.
        }
        let mut memory = [0; 18];
        let prefix = response::chunk_prefix(chunk.len(), &mut memory);
        if chunk.len() <= COPY_BYTES_MAX {
            self.push_short(prefix, supply);
            self.push(chunk, supply);
            self.push_short(response::CHUNK_SUFFIX, supply);
        } else {
            self.seal(supply);
            let sealed = self.sealed.get_or_insert_with(|| supply.transmission());
            let taken = sealed.push_inline(prefix);
            debug_assert!(taken);
            sealed.push(chunk);
            let taken = sealed.push_inline(response::CHUNK_SUFFIX);
            debug_assert!(taken);
        }
    }

    /// Appends a few bytes by copying them.
    pub(super) fn push_short(&mut self, bytes: &[u8], supply: &mut Supply) {
        if !self.copy(bytes, supply) {
            self.push_in_place(bytes.to_vec().into(), supply);
        }
    }

    /// Takes everything, where that is one block.
    pub(super) fn take_only_block(&mut self) -> Option<Chunk> {
        if self.sealed.is_some() {
            return None;
        }
        self.open.take().filter(|open| open.len() > 0).map(Block::seal)
    }

    /// Takes everything, as one transmission.
    pub(super) fn take(&mut self, supply: &mut Supply) -> Option<Box<Transmission>> {
        self.seal(supply);
        self.sealed.take().filter(|sealed| !sealed.is_empty())
    }

    /// Puts back what a send left over, in front of what has been queued since.
    pub(super) fn put_back(&mut self, mut rest: Box<Transmission>, supply: &mut Supply) {
        if let Some(mut later) = self.sealed.take() {
            rest.append(&mut later);
            supply.recycle(later);
        }
        self.sealed = Some(rest);
    }

    fn copy(&mut self, bytes: &[u8], supply: &mut Supply) -> bool {
        if let Some(open) = &mut self.open
            && open.copy(bytes)
        {
            return true;
        }
        self.open_another(supply).copy(bytes)
    }

    fn push_in_place(&mut self, chunk: Chunk, supply: &mut Supply) {
        self.seal(supply);
        self.sealed.get_or_insert_with(|| supply.transmission()).push(chunk);
    }

    #[cold]
    fn open_another(&mut self, supply: &mut Supply) -> &mut Block {
        self.seal(supply);
        self.open.insert(Block::new(supply))
    }

    fn seal(&mut self, supply: &mut Supply) {
        if let Some(open) = self.open.take().filter(|open| open.len() > 0) {
            self.sealed
                .get_or_insert_with(|| supply.transmission())
                .push(open.seal());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_leaves_in_order_whether_copied_or_not() {
        for buffers in [1, 2, 64] {
            let mut supply = Supply::of(buffers);
            let mut output = Output::default();
            let mut expected = Vec::new();
            for round in 0..40_usize {
                let bytes = vec![b'a' + (round % 26) as u8; round * 97];
                output.push(bytes.clone().into(), &mut supply);
                output.push_short(b"|", &mut supply);
                expected.extend_from_slice(&bytes);
                expected.push(b'|');
            }
            assert_eq!(output.bytes(), expected.len());
            let transmission = output.take(&mut supply).unwrap();
            assert_eq!(transmission.gather(), expected);
            assert!(output.is_empty() && output.take(&mut supply).is_none());
            supply.recycle(transmission);
            assert_eq!(supply.pool().counts().held, 0);
        }
    }

    #[test]
    fn chunks_are_framed_whatever_their_length() {
        let mut supply = Supply::of(8);
        for length in [0_usize, 1, 15, 16, 1024, 1025, 5000] {
            let mut output = Output::default();
            output.push_chunked(vec![b'x'; length].into(), &mut supply);
            let sent = output
                .take(&mut supply)
                .map(|transmission| transmission.gather())
                .unwrap_or_default();
            let expected = match length {
                0 => String::new(),
                _ => format!("{length:x}\r\n{}\r\n", "x".repeat(length)),
            };
            assert_eq!(String::from_utf8(sent).unwrap().to_ascii_lowercase(), expected);
        }
    }

    #[test]
    fn what_was_left_over_goes_first() {
        let mut supply = Supply::of(8);
        let mut output = Output::default();
        output.push_short(b"first second ", &mut supply);
        let mut transmission = output.take(&mut supply).unwrap();
        output.push_short(b"third", &mut supply);
        output.push(vec![b'4'; 2000].into(), &mut supply);
        transmission.consume(6);
        output.put_back(transmission, &mut supply);
        let all = output.take(&mut supply).unwrap().gather();
        assert!(all.starts_with(b"second third4444"));
        assert_eq!(all.len(), 7 + 5 + 2000);
    }
}
