//! The percent-encoding of a path, decoded once.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// A path that decodes to NUL, or to what is no UTF-8.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Invalid;

/// A path as routes are compared with it: decoded but for `%2F` and `%25`. The first would divide what is one segment; with
/// the second it is certain that a percent sign which is still there begins an encoding, so that [`decode_param`] ends what
/// was begun here, and nothing is decoded twice.
pub(super) fn decode(path: &str) -> Result<Cow<'_, str>, Invalid> {
    if !path.as_bytes().contains(&b'%') {
        return Ok(Cow::Borrowed(path));
    }
    let bytes = path.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let value = bytes.get(at + 1..at + 3).and_then(hex_value).filter(|_| byte == b'%');
        match value {
            Some(0) => return Err(Invalid),
            Some(b'/') => decoded.extend_from_slice(b"%2F"),
            Some(b'%') => decoded.extend_from_slice(b"%25"),
            Some(value) => decoded.push(value),
            None => decoded.push(byte),
        }
        at += if value.is_some() { 3 } else { 1 };
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Invalid)
}

/// A parameter, cut out of what [`decode`] has made, wholly decoded.
pub(super) fn decode_param(param: &str) -> Cow<'_, str> {
    percent_decode_str(param).decode_utf8_lossy()
}

fn hex_value(digits: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_decoded_once() {
        for (path, decoded, whole) in [
            ("/", "/", "/"),
            ("/a/b", "/a/b", "/a/b"),
            ("/caf%C3%A9", "/café", "/café"),
            ("/caf%c3%a9", "/café", "/café"),
            ("/%61%2e", "/a.", "/a."),
            ("/a%2Fb", "/a%2Fb", "/a/b"),
            ("/a%2fb", "/a%2Fb", "/a/b"),
            ("/100%25", "/100%25", "/100%"),
            ("/%252F", "/%252F", "/%2F"),
            ("/%25%32%46", "/%252F", "/%2F"),
            ("/%2541", "/%2541", "/%41"),
        ] {
            let once = decode(path).unwrap();
            assert_eq!(once, decoded, "{path}");
            assert_eq!(decode_param(&once), whole, "{path}");
        }
    }

    #[test]
    fn nul_and_what_is_no_utf_8_are_invalid() {
        for path in ["/%00", "/a%00b", "/%ff", "/%c3", "/%C3%28", "/%ed%a0%80"] {
            assert_eq!(decode(path), Err(Invalid), "{path}");
        }
    }
}
