//! `Accept-Encoding`: which content codings a client takes, and which it prefers (RFC 9110 §12.5.3).

/// A content coding in which files may lie beside the plain ones (RFC 9110 §8.4.1).
///
/// ```
/// use ringlane::files::Encoding;
///
/// assert_eq!((Encoding::Brotli.name(), Encoding::Brotli.suffix()), ("br", ".br"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// Zstandard (RFC 8878): `zstd`, in files that end with `.zst`.
    Zstd,
    /// Brotli (RFC 7932): `br`, in files that end with `.br`.
    Brotli,
    /// gzip (RFC 1952): `gzip`, in files that end with `.gz`.
    Gzip,
}

impl Encoding {
    /// Its name in `Accept-Encoding` and `Content-Encoding`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Zstd => "zstd",
            Encoding::Brotli => "br",
            Encoding::Gzip => "gzip",
        }
    }

    /// What follows the plain file's name in the name of the file in this coding.
    #[must_use]
    pub fn suffix(self) -> &'static str {
        match self {
            Encoding::Zstd => ".zst",
            Encoding::Brotli => ".br",
            Encoding::Gzip => ".gz",
        }
    }
}

/// Those of the offered codings that a client takes, what it prefers first; among equals the order of the offer holds.
/// Codings that it likes less than no coding are left out. `values` are those of all `Accept-Encoding` fields; without any,
/// nothing is taken, although RFC 9110 would allow everything then: such a client may know no coding.
pub(super) fn acceptable(values: &[&[u8]], offered: &[Encoding]) -> Vec<Encoding> {
    let plain = weight(values, "identity", false).unwrap_or(0);
    let weighed = offered.iter().filter_map(|&encoding| {
        let weight = weight(values, encoding.name(), true)?;
        (weight > 0 && weight >= plain).then_some((weight, encoding))
    });
    let mut weighed: Vec<_> = weighed.collect();
    weighed.sort_by_key(|&(weight, _)| std::cmp::Reverse(weight));
    weighed.into_iter().map(|(_, encoding)| encoding).collect()
}

/// What is said of a coding, in thousandths: by its name, else by `*` where that counts; none where nothing is said.
fn weight(values: &[&[u8]], coding: &str, by_any: bool) -> Option<u16> {
    let members = || values.iter().flat_map(|value| value.split(|&byte| byte == b','));
    let find = |wanted: &str| {
        let mut found = members().filter_map(member);
        found
            .find(|(name, _)| is_coding(name, wanted))
            .map(|(_, weight)| weight)
    };
    find(coding).or_else(|| if by_any { find("*") } else { None })
}

fn is_coding(name: &[u8], coding: &str) -> bool {
    // RFC 9110 §8.4.1.3: `x-gzip` is the same as `gzip`.
    name.eq_ignore_ascii_case(coding.as_bytes()) || coding == "gzip" && name.eq_ignore_ascii_case(b"x-gzip")
}

/// `codings [ weight ]`; a member whose weight cannot be understood is as good as not there.
fn member(member: &[u8]) -> Option<(&[u8], u16)> {
    let mut parts = member.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let name = parts.next().filter(|name| !name.is_empty())?;
    let Some(parameter) = parts.next() else {
        return Some((name, 1000));
    };
    let (key, value) = parameter.split_at_checked(2)?;
    if !key.eq_ignore_ascii_case(b"q=") || parts.next().is_some() {
        return None;
    }
    Some((name, thousandths(value)?))
}

/// RFC 9110 §12.4.2: `0` or `1`, and up to three decimals; at most 1.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] if decimals.len() <= 3 => (whole, decimals),
        _ => return None,
    };
    let mut sum = u16::from(whole - b'0') * 1000;
    let mut worth = 100;
    for decimal in decimals {
        if !decimal.is_ascii_digit() {
            return None;
        }
        sum += u16::from(decimal - b'0') * worth;
        worth /= 10;
    }
    (sum <= 1000).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Encoding::{Brotli, Gzip, Zstd};

    const OFFER: [Encoding; 3] = [Zstd, Brotli, Gzip];

    #[test]
    fn what_a_client_takes_is_ordered_by_weight_and_then_by_the_offer() {
        let cases: [(&[&str], &[Encoding]); 26] = [
            (&[], &[]),
            (&[""], &[]),
            (&["gzip"], &[Gzip]),
            (&["GZIP"], &[Gzip]),
            (&["x-gzip"], &[Gzip]),
            (&["gzip, br"], &[Brotli, Gzip]),
            (&["gzip;q=1.0, br;q=0.5"], &[Gzip, Brotli]),
            (&["gzip", "zstd"], &[Zstd, Gzip]),
            (&["deflate, compress"], &[]),
            (&["gzip;q=0"], &[]),
            (&["gzip;q=0.000, br"], &[Brotli]),
            (&["gzip;q=0.001"], &[Gzip]),
            (&["*"], &[Zstd, Brotli, Gzip]),
            (&["*;q=0"], &[]),
            (&["br;q=0, *"], &[Zstd, Gzip]),
            (&["gzip, *;q=0"], &[Gzip]),
            (&["gzip;q=0.5, *;q=0.7"], &[Zstd, Brotli, Gzip]),
            (&["identity, gzip;q=0.5"], &[]),
            (&["identity;q=0.5, gzip;q=0.5"], &[Gzip]),
            (&["identity;q=0, gzip;q=0.1"], &[Gzip]),
            (&["gzip ; q=0.3 ,\tbr; Q=0.2"], &[Gzip, Brotli]),
            (&["gzip;q=1.001, br"], &[Brotli]),
            (&["gzip;q=0.1234, br"], &[Brotli]),
            (&["gzip;q=, br;level=1, zstd;q=1;x"], &[]),
            (&[",, gzip ,"], &[Gzip]),
            (&["gzip, gzip;q=0"], &[Gzip]),
        ];
        for (values, expected) in cases {
            let bytes: Vec<&[u8]> = values.iter().map(|value| value.as_bytes()).collect();
            assert_eq!(acceptable(&bytes, &OFFER), expected, "{values:?}");
        }
    }

    #[test]
    fn only_what_is_offered_is_chosen() {
        assert_eq!(acceptable(&[b"*"], &[Gzip]), [Gzip]);
        assert_eq!(acceptable(&[b"gzip, br"], &[Gzip, Brotli]), [Gzip, Brotli]);
        assert_eq!(acceptable(&[b"gzip, br"], &[]), []);
    }
}
