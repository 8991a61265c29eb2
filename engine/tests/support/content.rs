//! Bodies whose every byte is known without holding them: one random block, repeated. The block's length is a prime, so
//! that bytes which are lost, doubled or swapped show, whatever the size of the buffers through which they went.

use std::sync::OnceLock;

const BLOCK_BYTES: usize = 1_048_573;

fn block() -> &'static [u8] {
    static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
    BLOCK.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = Vec::with_capacity(BLOCK_BYTES + 8);
        while bytes.len() < BLOCK_BYTES {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        bytes.truncate(BLOCK_BYTES);
        bytes
    })
}

/// The content from `offset` on: at least one byte, and `bytes_max` at the most.
pub fn piece(offset: u64, bytes_max: usize) -> &'static [u8] {
    let start = (offset % BLOCK_BYTES as u64) as usize;
    let rest = &block()[start..];
    &rest[..rest.len().min(bytes_max)]
}

/// The first `length` bytes of the content.
pub fn bytes(length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        bytes.extend_from_slice(piece(bytes.len() as u64, length - bytes.len()));
    }
    bytes
}

/// Compares what comes, piece by piece, with the content.
#[derive(Default)]
pub struct Check {
    seen: u64,
}

impl Check {
    #[track_caller]
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let expected = piece(self.seen, bytes.len());
            let (now, later) = bytes.split_at(expected.len());
            // Not assert_eq, which would print megabytes.
            assert!(now == expected, "the content differs behind byte {}", self.seen);
            self.seen += now.len() as u64;
            bytes = later;
        }
    }

    pub fn seen(&self) -> u64 {
        self.seen
    }
}

/// Random numbers that are the same in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A body in the chunked coding (RFC 9112 §7.1), in chunks of these sizes, over and over.
pub fn chunked(body: &[u8], sizes: &[usize]) -> Vec<u8> {
    let mut coded = Vec::with_capacity(body.len() + body.len() / 8);
    let mut rest = body;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at(rest.len().min(*size));
        coded.extend_from_slice(format!("{:x}\r\n", now.len()).as_bytes());
        coded.extend_from_slice(now);
        coded.extend_from_slice(b"\r\n");
        rest = later;
    }
    coded.extend_from_slice(b"0\r\n\r\n");
    coded
}
