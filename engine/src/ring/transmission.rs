//! A run of bytes on its way out, made of pieces that are sent from where they lie.

use std::mem::MaybeUninit;

use crate::chunk::Chunk;

/// How many pieces one send takes; the system's limit (`IOV_MAX`) is 1024.
const SEGMENTS_MAX: usize = 64;

/// The longest piece that is worth copying rather than pointing at: the framing of a chunk.
const INLINE_BYTES_MAX: usize = 22;

/// Bytes to send, in order. While the kernel reads them the transmission belongs to the ring.
pub(crate) struct Transmission {
    segments: Vec<Segment>,
    bytes: usize,
    /// Scratch for sendmsg(2): valid from `message` until the segments change.
    vectors: Vec<libc::iovec>,
    header: libc::msghdr,
}

enum Segment {
    Chunk(Chunk),
    Inline {
        bytes: [u8; INLINE_BYTES_MAX],
        start: u8,
        end: u8,
    },
}

impl Segment {
    fn as_slice(&self) -> &[u8] {
        match self {
            Segment::Chunk(chunk) => chunk,
            Segment::Inline { bytes, start, end } => &bytes[usize::from(*start)..usize::from(*end)],
        }
    }
}

impl Transmission {
    pub(crate) fn new() -> Transmission {
        Transmission {
            segments: Vec::new(),
            bytes: 0,
            vectors: Vec::new(),
            // SAFETY: all zeros is a valid msghdr: null pointers with zero lengths.
            header: unsafe { MaybeUninit::zeroed().assume_init() },
        }
    }

    /// How many bytes are to be sent.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Appends bytes that stay where they are.
    pub(crate) fn push(&mut self, chunk: Chunk) {
        if !chunk.is_empty() {
            self.bytes += chunk.len();
            self.segments.push(Segment::Chunk(chunk));
        }
    }

    /// Appends a few bytes by copying them; false where they are too many for that.
    pub(crate) fn push_inline(&mut self, few: &[u8]) -> bool {
        if few.len() > INLINE_BYTES_MAX {
            return false;
        }
        let mut bytes = [0; INLINE_BYTES_MAX];
        bytes[..few.len()].copy_from_slice(few);
        self.bytes += few.len();
        self.segments.push(Segment::Inline {
            bytes,
            start: 0,
            end: few.len() as u8,
        });
        true
    }

    /// Takes off what was sent.
    pub(crate) fn consume(&mut self, mut sent: usize) {
        debug_assert!(sent <= self.bytes);
        self.bytes = self.bytes.saturating_sub(sent);
        let mut gone = 0;
        for segment in &mut self.segments {
            let here = segment.as_slice().len();
            if sent < here {
                match segment {
                    Segment::Chunk(chunk) => chunk.advance(sent),
                    Segment::Inline { start, .. } => *start += sent as u8,
                }
                break;
            }
            sent -= here;
            gone += 1;
        }
        self.segments.drain(..gone);
    }

    /// Moves everything of another transmission behind this one's.
    pub(crate) fn append(&mut self, later: &mut Transmission) {
        self.segments.append(&mut later.segments);
        self.bytes += std::mem::take(&mut later.bytes);
    }

    /// Empties it; its memory stays for the next use.
    pub(crate) fn clear(&mut self) {
        self.segments.clear();
        self.segments.shrink_to(SEGMENTS_MAX);
        self.bytes = 0;
    }

    /// The bytes, where they are one piece.
    pub(super) fn single(&self) -> Option<&[u8]> {
        match &self.segments[..] {
            [only] => Some(only.as_slice()),
            _ => None,
        }
    }

    /// The bytes as sendmsg(2) wants them. The pointer is valid until the transmission changes, moves or is dropped.
    pub(super) fn message(&mut self) -> *const libc::msghdr {
        self.vectors.clear();
        self.vectors
            .extend(self.segments.iter().take(SEGMENTS_MAX).map(|segment| {
                let bytes = segment.as_slice();
                libc::iovec {
                    iov_base: bytes.as_ptr().cast_mut().cast(),
                    iov_len: bytes.len(),
                }
            }));
        self.header.msg_iov = self.vectors.as_mut_ptr();
        self.header.msg_iovlen = self.vectors.len();
        &raw const self.header
    }
}

impl std::fmt::Debug for Transmission {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "Transmission({} bytes in {} pieces)",
            self.bytes,
            self.segments.len()
        )
    }
}

#[cfg(any(test, fuzzing, feature = "internals"))]
#[cfg_attr(
    not(any(test, fuzzing)),
    expect(dead_code, reason = "the benchmarks need less of it than the tests")
)]
impl Transmission {
    /// All bytes, copied together.
    pub(crate) fn gather(&self) -> Vec<u8> {
        self.first(self.bytes)
    }

    /// The first `count` bytes, copied together.
    pub(crate) fn first(&self, count: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(count);
        for segment in &self.segments {
            let segment = segment.as_slice();
            bytes.extend_from_slice(&segment[..segment.len().min(count - bytes.len())]);
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consuming_at_every_place_leaves_the_rest() {
        let whole = b"5\r\nhello\r\nworld".to_vec();
        for sent in 0..=whole.len() {
            let mut transmission = Transmission::new();
            assert!(transmission.push_inline(b"5\r\n"));
            transmission.push(Chunk::from("hello"));
            transmission.push(Chunk::from("\r\n"));
            transmission.push(Chunk::from(""));
            transmission.push(Chunk::from(b"world".to_vec()));
            transmission.consume(sent);
            assert_eq!(transmission.gather(), whole[sent..]);
            assert_eq!(transmission.bytes(), whole.len() - sent);
        }
    }

    #[test]
    fn long_pieces_are_not_taken_inline() {
        let mut transmission = Transmission::new();
        assert!(!transmission.push_inline(&[0; INLINE_BYTES_MAX + 1]));
        assert!(transmission.is_empty());
    }
}
