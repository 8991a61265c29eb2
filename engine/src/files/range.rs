//! `Range`: which bytes of a file are asked for (RFC 9110 §14).

/// How many ranges one response may have. Who asks for more gets the whole file (RFC 9110 §14.2, §17.15).
pub(super) const RANGES_MAX: usize = 16;

/// Bytes of a file, one at least: from `first` up to and including `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: u64,
    pub(super) last: u64,
}

impl Span {
    pub(super) fn bytes(self) -> u64 {
        self.last - self.first + 1
    }
}

/// What of a file is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Selection {
    /// There is no range to be heeded: all of it (200).
    Whole,
    /// 206.
    One(Span),
    /// 206 in parts: 2 to [`RANGES_MAX`], in the order in which they were asked for.
    Several(Vec<Span>),
    /// 416: no range has anything of the file, or they cannot be understood.
    Unsatisfiable,
}

/// What the value of a `Range` field selects of a file of `size` bytes.
///
/// A unit other than `bytes` has to be ignored. What is no set of ranges is refused, as nginx does and RFC 9110 §14.2 allows.
/// Ranges that together are longer than the file are ignored: the whole is cheaper.
pub(super) fn select(value: &[u8], size: u64) -> Selection {
    let Some((unit, set)) = value.split_at_checked(6) else {
        return Selection::Whole;
    };
    if !unit.eq_ignore_ascii_case(b"bytes=") || set.is_empty() {
        return Selection::Whole;
    }
    let mut spans = Vec::new();
    let mut sum = 0_u64;
    // RFC 9110 §5.6.1.2: empty members of a list count for nothing.
    for member in set.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
        if member.is_empty() {
            continue;
        }
        let Some(range) = Range::parse(member) else {
            return Selection::Unsatisfiable;
        };
        match range.of(size) {
            Part::Nothing => {}
            Part::Whole => return Selection::Whole,
            Part::Span(_) if spans.len() == RANGES_MAX => return Selection::Whole,
            Part::Span(span) => {
                sum = sum.saturating_add(span.bytes());
                spans.push(span);
            }
        }
    }
    match spans[..] {
        [] => Selection::Unsatisfiable,
        [span] => Selection::One(span),
        _ if sum > size => Selection::Whole,
        _ => Selection::Several(spans),
    }
}

/// One `range-spec` (RFC 9110 §14.1.1, §14.1.2).
enum Range {
    /// From the first position up to and including the last one.
    FromTo(u64, u64),
    From(u64),
    /// So many bytes at the end.
    Last(u64),
}

enum Part {
    Nothing,
    Span(Span),
    /// All of a file that is empty: no span can say that.
    Whole,
}

impl Range {
    fn parse(text: &[u8]) -> Option<Range> {
        let dash = text.iter().position(|&byte| byte == b'-')?;
        let (first, last) = (&text[..dash], &text[dash + 1..]);
        match (first.is_empty(), last.is_empty()) {
            (true, true) => None,
            (true, false) => Some(Range::Last(number(last)?)),
            (false, true) => Some(Range::From(number(first)?)),
            (false, false) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Range::FromTo(first, last))
            }
        }
    }

    fn of(&self, size: u64) -> Part {
        let end = match size.checked_sub(1) {
            Some(end) => end,
            None if matches!(self, Range::Last(1..)) => return Part::Whole,
            None => return Part::Nothing,
        };
        let (first, last) = match *self {
            Range::FromTo(first, last) => (first, last.min(end)),
            Range::From(first) => (first, end),
            Range::Last(0) => return Part::Nothing,
            Range::Last(count) => (size.saturating_sub(count), end),
        };
        if first > end {
            return Part::Nothing;
        }
        Part::Span(Span { first, last })
    }
}

/// Digits; a number that is too large is as good as the largest.
fn number(digits: &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    }
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(first: u64, last: u64) -> Selection {
        Selection::One(Span { first, last })
    }

    fn several(spans: &[(u64, u64)]) -> Selection {
        Selection::Several(spans.iter().map(|&(first, last)| Span { first, last }).collect())
    }

    #[test]
    fn one_range() {
        for (value, size, expected) in [
            ("bytes=0-0", 10, one(0, 0)),
            ("bytes=0-9", 10, one(0, 9)),
            ("bytes=2-5", 10, one(2, 5)),
            ("bytes=9-9", 10, one(9, 9)),
            ("bytes=5-", 10, one(5, 9)),
            ("bytes=0-", 10, one(0, 9)),
            ("bytes=-3", 10, one(7, 9)),
            ("bytes=-10", 10, one(0, 9)),
            ("bytes=-99", 10, one(0, 9)),
            ("bytes=5-99", 10, one(5, 9)),
            ("bytes=0-99999999999999999999", 10, one(0, 9)),
            ("bytes=-99999999999999999999", 10, one(0, 9)),
            ("BYTES=1-2", 10, one(1, 2)),
            ("bytes= 1-2 ", 10, one(1, 2)),
            ("bytes=000001-02", 10, one(1, 2)),
            ("bytes=0-", u64::MAX, one(0, u64::MAX - 1)),
        ] {
            assert_eq!(select(value.as_bytes(), size), expected, "{value}");
        }
    }

    #[test]
    fn what_cannot_be_satisfied_or_understood_is_refused_and_other_units_are_ignored() {
        for (value, size) in [
            ("bytes=10-", 10),
            ("bytes=10-20", 10),
            ("bytes=-0", 10),
            ("bytes=-0,10-", 10),
            ("bytes=0-", 0),
            ("bytes=0-0", 0),
            ("bytes=-0", 0),
            ("bytes=99999999999999999999-", 10),
            ("bytes=5-2", 10),
            ("bytes=0-1,5-2", 10),
            ("bytes=,", 10),
            ("bytes=-", 10),
            ("bytes=a-b", 10),
            ("bytes=1", 10),
            ("bytes=1--2", 10),
            ("bytes=--1", 10),
            ("bytes=+1-2", 10),
            ("bytes=1 - 2", 10),
            ("bytes=0x1-2", 10),
            ("bytes=1-2;3-4", 10),
        ] {
            assert_eq!(select(value.as_bytes(), size), Selection::Unsatisfiable, "{value}");
        }
        for value in [
            "",
            "bytes",
            "bytes=",
            "byte=1-2",
            "bytes =1-2",
            "items=0-1",
            "bytes:1-2",
            "=1-2",
        ] {
            assert_eq!(select(value.as_bytes(), 10), Selection::Whole, "{value}");
        }
        assert_eq!(select(b"bytes=-5", 0), Selection::Whole);
    }

    #[test]
    fn several_ranges() {
        for (value, expected) in [
            ("bytes=0-1,4-5", several(&[(0, 1), (4, 5)])),
            ("bytes=4-5,0-1", several(&[(4, 5), (0, 1)])),
            ("bytes=0-1 ,\t-2", several(&[(0, 1), (8, 9)])),
            ("bytes=,0-1,,4-5,", several(&[(0, 1), (4, 5)])),
            ("bytes=0-4,5-9", several(&[(0, 4), (5, 9)])),
            ("bytes=0-0,0-0", several(&[(0, 0), (0, 0)])),
            ("bytes=0-1,20-", one(0, 1)),
            ("bytes=20-,3-3,-0", one(3, 3)),
            ("bytes=0-,0-0", Selection::Whole),
            ("bytes=0-5,5-9", Selection::Whole),
        ] {
            assert_eq!(select(value.as_bytes(), 10), expected, "{value}");
        }
    }

    #[test]
    fn too_many_ranges_are_ignored() {
        let set = |count: usize| format!("bytes={}", vec!["0-0"; count].join(","));
        let Selection::Several(spans) = select(set(RANGES_MAX).as_bytes(), 1000) else {
            panic!("refused");
        };
        assert_eq!(spans.len(), RANGES_MAX);
        assert_eq!(select(set(RANGES_MAX + 1).as_bytes(), 1000), Selection::Whole);
        // What selects nothing is not counted.
        let sparse = format!("bytes={}0-0", "2000-,".repeat(100));
        assert_eq!(select(sparse.as_bytes(), 1000), one(0, 0));
    }
}
