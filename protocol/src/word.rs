//! Eight bytes at a time, in the registers that every machine has.

/// Every byte 0x01.
const ONES: u64 = u64::MAX / 0xff;
/// Every byte 0x80.
const HIGHEST: u64 = ONES << 7;

/// How many of `bytes`, from the first on, whole words can tell to be inside, where `first_outside` tells the first that is not
/// in a word: the byte behind them is outside, or one of the last seven.
#[inline(always)]
pub(crate) fn inside_len(bytes: &[u8], first_outside: impl Fn(&[u8; 8]) -> Option<usize>) -> usize {
    let mut rest = bytes;
    while let Some((word, after)) = rest.split_first_chunk() {
        if let Some(place) = first_outside(word) {
            return bytes.len() - rest.len() + place;
        }
        rest = after;
    }
    bytes.len() - rest.len()
}

/// The place of the first byte of `word` that is neither a letter nor in one of `ranges`. These are of ASCII and without letters,
/// and no two of them share a byte.
#[inline(always)]
pub(crate) fn first_outside<const N: usize>(word: &[u8; 8], ranges: [(u8, u8); N]) -> Option<usize> {
    let word = u64::from_le_bytes(*word);
    // Only the letters become lower-case letters by this, be they such already or not.
    let letters = within(word | (ONES * 0x20), b'a', b'z');
    let inside = ranges
        .iter()
        .fold(letters, |inside, &(first, last)| inside | within(word, first, last));
    first_marked((!inside | word) & HIGHEST)
}

/// The place of the first byte of `word` that is no digit.
#[inline(always)]
pub(crate) fn first_non_digit(word: &[u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(*word);
    first_marked((!within(word, b'0', b'9') | word) & HIGHEST)
}

/// The place of the first byte of `word` that is less than 0x20, or is 0x7f.
#[inline(always)]
pub(crate) fn first_control(word: &[u8; 8]) -> Option<usize> {
    let word = u64::from_le_bytes(*word);
    // Those from 0x80 on are no control bytes: they count as inside, and are not to carry to those behind them.
    let inside = within(word & !HIGHEST, b' ', b'~') | word;
    first_marked(!inside & HIGHEST)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_outside_is_found() {
        let is_letter = |byte: u8| byte.is_ascii_alphabetic();
        check(|word| first_outside(word, []), is_letter);
        check(
            |word| first_outside(word, [(b'-', b'.'), (b'0', b'9')]),
            |byte| is_letter(byte) || matches!(byte, b'-' | b'.' | b'0'..=b'9'),
        );
        check(
            |word| first_outside(word, [(0x7f, 0x7f), (b'[', b'`'), (0, 0), (1, b'@')]),
            |byte| is_letter(byte) || matches!(byte, 0..=b'@' | b'['..=b'`' | 0x7f),
        );
    }

    #[test]
    fn the_first_byte_that_is_no_digit_is_found() {
        check(first_non_digit, |byte| byte.is_ascii_digit());
    }

    #[test]
    fn the_first_control_byte_is_found() {
        check(first_control, |byte| !byte.is_ascii_control());
    }

    /// Every byte at every place, with every other byte next to it; all others are inside, the first or the last that is.
    fn check(first_outside: impl Fn(&[u8; 8]) -> Option<usize>, is_inside: impl Fn(u8) -> bool) {
        let ends = [
            (0..=255).find(|&byte| is_inside(byte)),
            (0..=255).rfind(|&byte| is_inside(byte)),
        ];
        for around in ends.map(Option::unwrap) {
            for (place, byte) in (0..8).flat_map(|place| (0..=255).map(move |byte| (place, byte))) {
                for next in 0..=255 {
                    let mut word = [around; 8];
                    word[place] = byte;
                    word[(place + 1) % 8] = next;
                    let naive = word.iter().position(|&byte| !is_inside(byte));
                    assert_eq!(first_outside(&word), naive, "{word:x?}");
                }
            }
        }
    }

    /// Any number of bytes inside, and of others behind them.
    #[test]
    fn whole_words_are_passed_over() {
        for inside in 0..40 {
            for outside in 0..20 {
                let bytes = [vec![b'0'; inside], vec![b'a'; outside]].concat();
                let in_words = bytes.len() / 8 * 8;
                assert_eq!(inside_len(&bytes, first_non_digit), inside.min(in_words));
            }
        }
    }
}
