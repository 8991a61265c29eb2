//! Runners for the tables.

use ringlane_protocol::body::Framing;
use ringlane_protocol::fuzz::{self, Decoded};

/// What is allowed unless a test is about just that.
pub const BODY_BYTES_MAX: u64 = 1 << 20;

/// Decodes whole, cut in two at every boundary, byte by byte, and by the naive twin: all come to the same.
pub fn decode_chunked(input: &[u8], body_bytes_max: u64) -> Decoded {
    let whole = decode_in_all_cuts(input, Framing::Chunked, body_bytes_max);
    fuzz::compare_with_naive(input, body_bytes_max, &whole);
    whole
}

/// Decodes whole, cut in two at every boundary (of the first 300), and byte by byte: all come to the same.
pub fn decode_in_all_cuts(input: &[u8], framing: Framing, body_bytes_max: u64) -> Decoded {
    let whole = fuzz::decode_cut(input, framing, body_bytes_max, |left| left);
    let bytewise = fuzz::decode_cut(input, framing, body_bytes_max, |_| 1);
    assert_eq!(bytewise, whole, "{}", input.escape_ascii());
    for at in 1..input.len().min(300) {
        let first = |left: usize| {
            (left + at)
                .checked_sub(input.len())
                .filter(|&piece| piece > 0)
                .unwrap_or(left)
        };
        let cut = fuzz::decode_cut(input, framing, body_bytes_max, first);
        assert_eq!(cut, whole, "cut at {at}: {}", input.escape_ascii());
    }
    whole
}
