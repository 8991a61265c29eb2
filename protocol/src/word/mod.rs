//! Which bytes are of a set, many bytes at a time.

mod swar;
mod vector;

pub(crate) use swar::first_non_digit;

/// Whether vectors are looked at first. On other processors they have not been measured.
const HAS_VECTORS: bool = cfg!(target_arch = "x86_64");

/// Bytes that are cheap to tell from all others where they come in numbers.
#[derive(Clone, Copy)]
pub(crate) struct Usual<const RANGES: usize> {
    /// The letters of ASCII, in both cases.
    pub(crate) letters: bool,
    /// Ranges of ASCII, with their ends. None has a letter where `letters` says that they all are in, and no two share a byte.
    pub(crate) ranges: [(u8, u8); RANGES],
    /// All bytes from 0x80 on.
    pub(crate) above_ascii: bool,
}

impl<const RANGES: usize> Usual<RANGES> {
    /// The letters of ASCII, and ranges of it beside them.
    pub(crate) const fn letters_and(ranges: [(u8, u8); RANGES]) -> Self {
        Self {
            letters: true,
            ranges,
            above_ascii: false,
        }
    }
}

/// How many of `bytes`, from the first on, are usual, as far as whole words can tell: the byte behind them is unusual, or one of
/// the last seven.
#[inline(always)]
pub(crate) fn usual_len<const RANGES: usize>(bytes: &[u8], usual: &Usual<RANGES>) -> usize {
    let mut rest = bytes;
    while HAS_VECTORS && let Some((word, after)) = rest.split_first_chunk() {
        if let Some(place) = vector::first_unusual(word, usual) {
            return bytes.len() - rest.len() + place;
        }
        rest = after;
    }
    while let Some((word, after)) = rest.split_first_chunk() {
        if let Some(place) = swar::first_unusual(word, usual) {
            return bytes.len() - rest.len() + place;
        }
        rest = after;
    }
    bytes.len() - rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LETTERS: Usual<0> = Usual::letters_and([]);
    const NAMES: Usual<2> = Usual::letters_and([(b'-', b'.'), (b'0', b'9')]);
    const ALL_BUT_BRACES: Usual<4> = Usual {
        letters: true,
        ranges: [(0x7f, 0x7f), (b'[', b'`'), (0, 0), (1, b'@')],
        above_ascii: true,
    };
    const NO_CONTROLS: Usual<1> = Usual {
        letters: false,
        ranges: [(b' ', b'~')],
        above_ascii: true,
    };

    impl<const RANGES: usize> Usual<RANGES> {
        fn contains(&self, byte: u8) -> bool {
            let in_ranges = self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&byte));
            self.letters && byte.is_ascii_alphabetic() || self.above_ascii && !byte.is_ascii() || in_ranges
        }
    }

    #[test]
    fn the_first_unusual_byte_is_found() {
        check_usual(&LETTERS);
        check_usual(&NAMES);
        check_usual(&ALL_BUT_BRACES);
        check_usual(&NO_CONTROLS);
    }

    fn check_usual<const RANGES: usize>(usual: &Usual<RANGES>) {
        check(
            |word| swar::first_unusual(word, usual),
            |byte| usual.contains(byte),
            &(0..=255),
        );
        let ends = [0, b' ', b'@', b'Z', b'z', 0x7f, 0x80, 0xff]; // No sum leaves its byte there.
        check(
            |word| vector::first_unusual(word, usual),
            |byte| usual.contains(byte),
            &ends,
        );
    }

    #[test]
    fn the_first_byte_that_is_no_digit_is_found() {
        check(first_non_digit, |byte| byte.is_ascii_digit(), &(0..=255));
    }

    /// Every byte at every place, with each of `others` next to it; what is left is inside, the first or the last that is.
    fn check<const BYTES: usize>(
        first_outside: impl Fn(&[u8; BYTES]) -> Option<usize>,
        is_inside: impl Fn(u8) -> bool,
        others: &(impl IntoIterator<Item = u8> + Clone),
    ) {
        let ends = [
            (0..=255).find(|&byte| is_inside(byte)),
            (0..=255).rfind(|&byte| is_inside(byte)),
        ];
        for around in ends.map(Option::unwrap) {
            for (place, byte) in (0..BYTES).flat_map(|place| (0..=255).map(move |byte| (place, byte))) {
                for next in others.clone() {
                    let mut word = [around; BYTES];
                    word[place] = byte;
                    word[(place + 1) % BYTES] = next;
                    let naive = word.iter().position(|&byte| !is_inside(byte));
                    assert_eq!(first_outside(&word), naive, "{word:x?}");
                }
            }
        }
    }

    /// Any number of usual bytes, and of others behind them.
    #[test]
    fn whole_words_are_passed_over() {
        for usual in 0..60 {
            for unusual in 0..40 {
                let bytes = [vec![b'a'; usual], vec![b'0'; unusual]].concat();
                let in_words = bytes.len() / 8 * 8;
                assert_eq!(usual_len(&bytes, &LETTERS), usual.min(in_words));
            }
        }
    }
}
