//! Sixteen bytes at a time, in the vector registers that every x86-64 has (SSE2).

use wide::u8x16;

use super::Usual;

/// The place of the first byte of `word` that is not usual.
#[inline(always)]
pub(super) fn first_unusual<const RANGES: usize>(word: &[u8; 16], usual: &Usual<RANGES>) -> Option<usize> {
    let word = u8x16::new(*word);
    let none = u8x16::splat(0);
    let mut inside = usual
        .ranges
        .iter()
        .fold(none, |inside, &(first, last)| inside | within(word, first, last));
    if usual.letters {
        // Only the letters become lower-case letters by this, be they such already or not.
        inside |= within(word | u8x16::splat(0x20), b'a', b'z');
    }
    if usual.above_ascii {
        inside |= word; // Only the highest bits count.
    }
    let outside = !inside.to_bitmask() & 0xffff;
    (outside != 0).then(|| outside.trailing_zeros() as usize)
}

/// Says by all bits of each byte whether it is in a range.
#[inline(always)]
fn within(word: u8x16, first: u8, last: u8) -> u8x16 {
    // What lies below the range becomes larger than all that lies within it.
    let above_first = word - u8x16::splat(first);
    above_first.min(u8x16::splat(last - first)).simd_eq(above_first)
}
