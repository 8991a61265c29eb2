//! Content codings, and which of them a client takes: `Accept-Encoding` (RFC 9110 §8.4.1, §12.5.3).

/// A content coding (RFC 9110 §8.4.1).
///
/// ```
/// use ringlane::Coding;
///
/// assert_eq!((Coding::Br.name(), Coding::Br.suffix()), ("br", ".br"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Coding {
    /// gzip (RFC 9110 §8.4.1.3): `gzip`, in files that end with `.gz`.
    Gzip,
    /// Brotli (RFC 7932): `br`, in files that end with `.br`.
    Br,
    /// Zstandard (RFC 8878, RFC 9659): `zstd`, in files that end with `.zst`.
    Zstd,
}

impl Coding {
    const ALL: [Coding; 3] = [Coding::Gzip, Coding::Br, Coding::Zstd];

    /// The name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Coding::Gzip => "gzip",
            Coding::Br => "br",
            Coding::Zstd => "zstd",
        }
    }

    /// What follows the plain file's name in the name of the file in this coding.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Coding::Gzip => ".gz",
            Coding::Br => ".br",
            Coding::Zstd => ".zst",
        }
    }

    fn of(name: &[u8]) -> Option<Coding> {
        if name.eq_ignore_ascii_case(b"x-gzip") {
            return Some(Coding::Gzip); // RFC 9110 §8.4.1.3.
        }
        let mut all = Coding::ALL.into_iter();
        all.find(|coding| coding.name().as_bytes().eq_ignore_ascii_case(name))
    }
}

/// What came of a negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepted {
    ranked: [Option<Coding>; Coding::ALL.len()],
    /// Whether the client takes a response without any. Where it does not, and no coding is left either, the response is
    /// sent as it is: better than none (RFC 9110 §12.4.1).
    pub(crate) identity: bool,
}

impl Accepted {
    /// The codings that may be used, what the client prefers first.
    pub(crate) fn codings(self) -> impl Iterator<Item = Coding> {
        self.ranked.into_iter().flatten()
    }
}

/// Weights in thousandths, as they were said; none for what was not.
#[derive(Default)]
struct Weights {
    codings: [Option<u16>; Coding::ALL.len()],
    identity: Option<u16>,
    any: Option<u16>,
}

/// Ranks the codings that are offered by the values of `Accept-Encoding` (RFC 9110 §12.5.3), several being one list: by their
/// weights, equal ones in the order of the offer. Codings that the client likes less than none are left out. Without the field
/// nothing is coded, though anything might be: such a client may know no coding.
///
/// Elements that are no coding with a weight are ignored; of an element that is there twice the last one holds.
pub(crate) fn negotiate<'a>(values: impl Iterator<Item = &'a [u8]>, offered: &[Coding]) -> Accepted {
    let mut weights = Weights::default();
    for element in values.flat_map(|value| value.split(|byte| *byte == b',')) {
        let Some((name, weight)) = parse(element) else {
            continue;
        };
        match Coding::of(name) {
            Some(coding) => weights.codings[coding as usize] = Some(weight),
            None if name.eq_ignore_ascii_case(b"identity") => weights.identity = Some(weight),
            None if name == b"*" => weights.any = Some(weight),
            None => {} // A coding that is not known here.
        }
    }
    // Identity is acceptable unless it is refused, and preferred only where that is said.
    let least = weights.identity.unwrap_or(0).max(1);
    let weight = |coding: Coding| weights.codings[coding as usize].or(weights.any).unwrap_or(0);
    let mut ranked = [None; Coding::ALL.len()];
    for &coding in offered {
        if weight(coding) < least || ranked.contains(&Some(coding)) {
            continue;
        }
        let place = ranked
            .iter()
            .position(|other| other.is_none_or(|other| weight(other) < weight(coding)));
        if let Some(place) = place {
            ranked[place..].rotate_right(1);
            ranked[place] = Some(coding);
        }
    }
    Accepted {
        ranked,
        identity: weights.identity.or(weights.any) != Some(0),
    }
}

/// `codings [ OWS ";" OWS "q=" qvalue ]`.
fn parse(element: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = element.splitn(2, |byte| *byte == b';');
    let name = parts.next()?.trim_ascii();
    let weight = match parts.next() {
        None => 1000,
        Some(weight) => match weight.trim_ascii() {
            [b'q' | b'Q', b'=', value @ ..] => thousandths(value)?,
            _ => return None,
        },
    };
    (!name.is_empty()).then_some((name, weight))
}

/// `qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] )` (RFC 9110 §12.4.2).
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, digits) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', digits @ ..] => (whole, digits),
        _ => return None,
    };
    if digits.len() > 3 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let places = [100, 10, 1].into_iter().zip(digits);
    let fraction: u16 = places.map(|(place, digit)| place * u16::from(digit - b'0')).sum();
    match (whole, fraction) {
        (b'0', fraction) => Some(fraction),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Coding::{Br, Gzip, Zstd};
    use super::*;

    const ORDER: [Coding; 3] = [Zstd, Br, Gzip];

    fn chosen(values: &[&[u8]], codings: &[Coding]) -> (&'static str, bool) {
        let accepted = negotiate(values.iter().copied(), codings);
        (accepted.codings().next().map_or("-", Coding::name), accepted.identity)
    }

    /// RFC 9110 §12.5.3, its examples first.
    #[test]
    fn the_highest_weight_is_chosen() {
        let table: [(&str, &str, bool); 33] = [
            ("compress, gzip", "gzip", true),
            ("", "-", true),
            ("*", "zstd", true),
            ("compress;q=0.5, gzip;q=1.0", "gzip", true),
            ("gzip;q=1.0, identity; q=0.5, *;q=0", "gzip", true),
            ("gzip, deflate, br, zstd", "zstd", true),
            ("gzip, br;q=0.9, zstd;q=0.8", "gzip", true),
            ("br;q=0.001", "br", true),
            ("x-gzip", "gzip", true),
            ("GZIP", "gzip", true),
            ("gzip;Q=0.5,br ; q=0.4", "gzip", true),
            ("identity", "-", true),
            ("gzip;q=0.5, identity", "-", true),
            ("gzip;q=0.5, identity;q=0.6", "-", true),
            ("gzip;q=0.5, identity;q=0.5", "gzip", true),
            ("gzip;q=0", "-", true),
            ("gzip;q=0.000, br;q=0.0, zstd;q=0.", "-", true),
            ("*;q=0", "-", false),
            ("identity;q=0", "-", false),
            ("identity;q=0, gzip", "gzip", false),
            ("*;q=0, identity", "-", true),
            ("*;q=0, br", "br", false),
            ("*;q=0.5, zstd;q=0", "br", true),
            ("*, zstd;q=0.5", "br", true),
            ("identity;q=0, deflate", "-", false),
            // What is not of the grammar counts for nothing.
            ("gzip;q=2", "-", true),
            ("gzip;q=1.001, br;q=0.0001, zstd;q=-1", "-", true),
            ("gzip;q=, br;q, zstd;r=1", "-", true),
            ("gzip;q=0.5;q=1", "-", true),
            (";q=1,,;, gzip", "gzip", true),
            ("gzip br", "-", true),
            ("identity;q=x", "-", true),
            ("gzip, gzip;q=0", "-", true),
        ];
        for (value, coding, identity) in table {
            assert_eq!(chosen(&[value.as_bytes()], &ORDER), (coding, identity), "{value:?}");
        }
    }

    #[test]
    fn without_the_field_nothing_is_coded_and_several_are_one() {
        assert_eq!(chosen(&[], &ORDER), ("-", true));
        assert_eq!(chosen(&[b"gzip;q=0.1", b"br;q=0.2"], &ORDER), ("br", true));
    }

    #[test]
    fn only_what_is_offered_is_chosen_in_its_order() {
        assert_eq!(chosen(&[b"gzip, br, zstd"], &[Gzip, Zstd]), ("gzip", true));
        assert_eq!(chosen(&[b"*, gzip;q=0"], &[Gzip]), ("-", true));
        assert_eq!(chosen(&[b"gzip"], &[]), ("-", true));
    }

    /// Whatever comes is judged in one pass, without a panic.
    #[test]
    fn hostile_values_are_harmless() {
        for value in [
            [b",".repeat(10_000)].concat(),
            b"gzip;q=1,".repeat(2_000),
            [b'\xff'; 10_000].to_vec(),
            b"gzip;".repeat(2_000),
            [b"gzip;q=0.".to_vec(), vec![b'9'; 10_000]].concat(),
            [b";q=".repeat(3_000), b"*".to_vec()].concat(),
        ] {
            let _ = chosen(&[&value], &ORDER);
        }
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let value = [b'*', b';', b'q', b'=', first, second];
                let _ = chosen(&[&value], &ORDER);
            }
        }
    }

    #[test]
    fn what_a_client_takes_is_ordered_by_weight_and_then_by_the_offer() {
        let cases: [(&[&str], &[Coding]); 27] = [
            (&[], &[]),
            (&[""], &[]),
            (&["gzip"], &[Gzip]),
            (&["GZIP"], &[Gzip]),
            (&["x-gzip"], &[Gzip]),
            (&["gzip, br"], &[Br, Gzip]),
            (&["gzip;q=1.0, br;q=0.5"], &[Gzip, Br]),
            (&["gzip", "zstd"], &[Zstd, Gzip]),
            (&["deflate, compress"], &[]),
            (&["gzip;q=0"], &[]),
            (&["gzip;q=0.000, br"], &[Br]),
            (&["gzip;q=0.001"], &[Gzip]),
            (&["*"], &[Zstd, Br, Gzip]),
            (&["*;q=0"], &[]),
            (&["br;q=0, *"], &[Zstd, Gzip]),
            (&["gzip, *;q=0"], &[Gzip]),
            (&["gzip;q=0.5, *;q=0.7"], &[Zstd, Br, Gzip]),
            (&["identity, gzip;q=0.5"], &[]),
            (&["identity;q=0.5, gzip;q=0.5"], &[Gzip]),
            (&["identity;q=0, gzip;q=0.1"], &[Gzip]),
            (&["gzip ; q=0.3 ,\tbr; Q=0.2"], &[Gzip, Br]),
            (&["gzip;q=1.001, br"], &[Br]),
            (&["gzip;q=0.1234, br"], &[Br]),
            (&["gzip;q=, br;level=1, zstd;q=1;x"], &[]),
            (&[",, gzip ,"], &[Gzip]),
            (&["gzip, gzip;q=0"], &[]),
            (&["gzip;q=0, gzip"], &[Gzip]),
        ];
        for (values, expected) in cases {
            let bytes: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            let accepted = negotiate(bytes.into_iter(), &ORDER);
            assert_eq!(accepted.codings().collect::<Vec<_>>(), expected, "{values:?}");
        }
    }
}
