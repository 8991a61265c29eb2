//! Eight bytes at a time, in the registers that every machine has.

use super::Usual;

/// Every byte 0x01.
const ONES: u64 = u64::MAX / 0xff;
/// Every byte 0x80.
const HIGHEST: u64 = ONES << 7;

/// The place of the first byte of `word` that is not usual.
#[inline(always)]
pub(super) fn first_unusual<const RANGES: usize>(word: &[u8; 8], usual: &Usual<RANGES>) -> Option<usize> {
    let word = u64::from_le_bytes(*word);
    // Where bytes above ASCII are usual they must not carry to those behind them.
    let ascii = if usual.above_ascii { word & !HIGHEST } else { word };
    let in_ranges = usual
        .ranges
        .iter()
        .fold(0, |inside, &(first, last)| inside | within(ascii, first, last));
    let inside = if usual.letters {
        // Only the letters become lower-case letters by this, be they such already or not.
        in_ranges | within(ascii | (ONES * 0x20), b'a', b'z')
    } else {
        in_ranges
    };
    first_marked(if usual.above_ascii {
        !(inside | word) & HIGHEST
    } else {
        (!inside | word) & HIGHEST
    })
}

/// The place of the first byte of `word` that is no digit.
#[inline(always)]
pub(crate) fn first_non_digit(word: &[u8; 8]) -> Option<usize> {
    let digits = Usual {
        letters: false,
        ranges: [(b'0', b'9')],
        above_ascii: false,
    };
    first_unusual(word, &digits)
}

/// Says by the highest bit of each byte of `word` whether it is in a range of ASCII. It holds up to the first byte that is
/// not ASCII, and not for that one, which is marked by its own highest bit.
#[inline(always)]
fn within(word: u64, first: u8, last: u8) -> u64 {
    // The highest bit of each sum says whether the byte reaches a bound, and a byte that reaches the first but not the second
    // is within. ASCII adds up to 0xff at most, and so leaves the next byte alone.
    let reaches = |bound: u8| word.wrapping_add(ONES * u64::from(0x80 - bound));
    reaches(first) ^ reaches(last + 1)
}

/// The place of the lowest byte whose highest bit is set, where all other bits are zero.
#[inline(always)]
fn first_marked(marks: u64) -> Option<usize> {
    (marks != 0).then(|| (marks.trailing_zeros() / u8::BITS) as usize)
}
