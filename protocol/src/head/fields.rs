//! The field lines of a validated head, found by scanning.

use memchr::memchr;

use crate::token;

/// The field lines of a head, in their order: names as they were sent, values without the whitespace around them.
///
/// ```
/// use ringlane_protocol::{Limits, head};
///
/// let input = b"GET / HTTP/1.1\r\nHost: example.com\r\nAccept:\t*/* \r\n\r\n";
/// let head = head::parse(input, &Limits::default()).unwrap().unwrap();
/// let fields: Vec<_> = head.fields(input).collect();
/// assert_eq!(fields, [("Host", &b"example.com"[..]), ("Accept", &b"*/*"[..])]);
/// ```
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    /// Whole lines, each with its CRLF.
    lines: &'a [u8],
}

impl<'a> Fields<'a> {
    pub(super) fn new(lines: &'a [u8]) -> Self {
        Self { lines }
    }

    /// The first value of this name, in whatever case (RFC 9110 §5.1).
    pub(super) fn find_value(mut self, name: &str) -> Option<&'a [u8]> {
        while let Some((found, value)) = self.next_line() {
            if found.eq_ignore_ascii_case(name.as_bytes()) {
                return Some(token::trim(value));
            }
        }
        None
    }

    /// Name and untrimmed value of the next line. A name has no LF and a value may have colons, so the line's end is
    /// looked for after the first colon.
    fn next_line(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let (name, rest) = self.lines.split_at_checked(memchr(b':', self.lines)?)?;
        let (value, rest) = rest.split_at_checked(memchr(b'\n', rest)?)?;
        self.lines = rest.get(1..)?;
        let value = value.get(1..)?;
        Some((name, value.strip_suffix(b"\r").unwrap_or(value)))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.next_line()?;
        Some((core::str::from_utf8(name).ok()?, token::trim(value)))
    }
}
