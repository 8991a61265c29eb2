//! Response fields that were checked once and are then only copied.

use core::fmt;

use crate::token;

/// The fields that the engine writes itself, lower-case: they frame the response and manage its connection. Two of a kind,
/// or one that says something else than the engine does, would desynchronise the connection (RFC 9112 §6.3, §9.3).
const RESERVED: [&[u8]; 7] = [
    b"content-length",
    b"transfer-encoding",
    b"connection",
    b"keep-alive",
    b"date",
    b"upgrade",
    b"trailer",
];

/// Valid field lines, ready to be sent; empty ones take no memory.
///
/// ```
/// use ringlane_protocol::response::{FieldError, FieldLines};
///
/// let mut lines = FieldLines::default();
/// lines.push("Cache-Control", b"no-store")?;
/// assert_eq!(lines.as_bytes(), b"Cache-Control: no-store\r\n");
/// assert_eq!(lines.find("cache-control"), Some(&b"no-store"[..]));
///
/// lines.push("Vary", b"Origin")?;
/// assert!(lines.remove("cache-control"));
/// assert_eq!(lines.iter().collect::<Vec<_>>(), [("Vary", &b"Origin"[..])]);
///
/// assert_eq!(lines.push("X-Name", b"a\r\nSet-Cookie: b"), Err(FieldError::ValueInvalid));
/// # Ok::<(), FieldError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldLines {
    /// Lines of a valid name, a colon, a space, a valid value and CRLF.
    lines: Vec<u8>,
}

impl FieldLines {
    /// No lines, and no allocation.
    #[must_use]
    pub const fn new() -> Self {
        Self { lines: Vec::new() }
    }

    /// Whether it has never held a line: there is no memory to be freed.
    #[inline]
    #[must_use]
    pub const fn is_unallocated(&self) -> bool {
        self.lines.capacity() == 0
    }

    /// Adds a line; spaces and tabs around the value are left out (RFC 9110 §5.5).
    ///
    /// # Errors
    ///
    /// If the name is no token or is one that the engine writes, or the value has a control byte other than HTAB. Then
    /// nothing was added.
    pub fn push(&mut self, name: &str, value: &[u8]) -> Result<(), FieldError> {
        if !token::is_token(name.as_bytes()) {
            return Err(FieldError::NameInvalid);
        }
        if RESERVED
            .iter()
            .any(|reserved| reserved.eq_ignore_ascii_case(name.as_bytes()))
        {
            return Err(FieldError::Reserved);
        }
        if !is_field_value(value) {
            return Err(FieldError::ValueInvalid);
        }
        let parts = [name.as_bytes(), b": ", token::trim(value), b"\r\n"];
        self.lines.reserve(parts.into_iter().map(<[u8]>::len).sum());
        for part in parts {
            self.lines.extend_from_slice(part);
        }
        Ok(())
    }

    /// The lines as they are sent, each with its CRLF.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.lines
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether there is a line of this name, in whatever case (RFC 9110 §5.1).
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The value of the first line of this name, in whatever case.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&[u8]> {
        let mut lines = self.lines.split_inclusive(|&byte| byte == b'\n');
        lines
            .find(|line| has_name(line, name))
            .and_then(parts)
            .map(|(_, value)| value)
    }

    /// The lines, name and value each, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.lines.split_inclusive(|&byte| byte == b'\n').filter_map(parts)
    }

    /// Removes all lines of this name, in whatever case, and says whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        if !self.contains(name) {
            return false;
        }
        let lines = self.lines.split_inclusive(|&byte| byte == b'\n');
        self.lines = lines.filter(|line| !has_name(line, name)).flatten().copied().collect();
        true
    }
}

fn has_name(line: &[u8], name: &str) -> bool {
    line.split_at_checked(name.len())
        .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(name.as_bytes()) && rest.starts_with(b":"))
}

/// Name and value of a line as [`FieldLines::push`] has made it.
fn parts(line: &[u8]) -> Option<(&str, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = core::str::from_utf8(&line[..colon]).ok()?;
    let value = line.get(colon + 2..line.len().checked_sub(2)?)?;
    Some((name, value))
}

/// Whether these bytes can be a field's value: no control bytes other than HTAB (RFC 9110 §5.5), and so no line's end.
///
/// ```
/// use ringlane_protocol::response::is_field_value;
///
/// assert!(is_field_value(b"text/plain; charset=utf-8"));
/// assert!(!is_field_value(b"text/plain\r\nSet-Cookie: a=b"));
/// ```
#[must_use]
pub fn is_field_value(value: &[u8]) -> bool {
    // Without an early end, and without a table, so that the compiler makes vector code of it.
    value.iter().fold(true, |valid, &byte| {
        valid & ((byte >= b' ' && byte != 0x7f) || byte == b'\t')
    })
}

/// A value that was found to be one ([`is_field_value`]) and need not be looked at again.
///
/// ```
/// use ringlane_protocol::response::FieldValue;
///
/// const TEXT: FieldValue<'_> = FieldValue::constant("text/plain; charset=utf-8");
/// assert_eq!(FieldValue::new("text/plain; charset=utf-8"), Some(TEXT));
/// assert_eq!(FieldValue::new("text/plain\r\nSet-Cookie: a=b"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FieldValue<'a>(&'a str);

impl<'a> FieldValue<'a> {
    /// `value`, if it is one.
    #[must_use]
    pub fn new(value: &'a str) -> Option<Self> {
        is_field_value(value.as_bytes()).then_some(Self(value))
    }

    /// A value that is known when the program is compiled.
    ///
    /// # Panics
    ///
    /// If it is no field value; for a constant, that keeps the program from being compiled.
    #[must_use]
    pub const fn constant(value: &'a str) -> Self {
        let mut at = 0;
        while at < value.len() {
            let byte = value.as_bytes()[at];
            assert!(
                (byte >= b' ' && byte != 0x7f) || byte == b'\t',
                "a control byte in a field's value"
            );
            at += 1;
        }
        Self(value)
    }

    /// The value.
    #[must_use]
    pub const fn as_str(self) -> &'a str {
        self.0
    }
}

/// Why a response field was refused.
///
/// ```
/// use ringlane_protocol::response::{FieldError, FieldLines};
///
/// let error = FieldLines::new().push("Content-Length", b"5").unwrap_err();
/// assert_eq!(error, FieldError::Reserved);
/// assert!(error.to_string().contains("leave it out"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldError {
    /// The name is empty or has a byte that is no token character (RFC 9110 §5.1).
    NameInvalid,
    /// The value has a control byte other than HTAB (RFC 9110 §5.5).
    ValueInvalid,
    /// The field is one that the engine writes itself.
    Reserved,
}

impl fmt::Display for FieldError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NameInvalid => "the field's name is not a token; use letters, digits and hyphens only",
            Self::ValueInvalid => "the field's value has a control byte such as CR, LF or NUL; remove or encode it",
            Self::Reserved => {
                "the field is written by the server, from the response's body and the connection's state; leave it out"
            }
        })
    }
}

impl core::error::Error for FieldError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_and_removed_by_their_whole_name() {
        let mut lines = FieldLines::new();
        for (name, value) in [("Vary", "a"), ("Vary-More", ""), ("vary", "b: c"), ("X", "y")] {
            lines.push(name, value.as_bytes()).unwrap();
        }
        assert_eq!(lines.find("VARY"), Some(&b"a"[..]));
        assert_eq!(lines.find("vary-more"), Some(&b""[..]));
        assert_eq!(lines.find("var"), None);
        assert!(!lines.remove("var") && lines.remove("Vary") && !lines.remove("Vary"));
        assert_eq!(lines.as_bytes(), b"Vary-More: \r\nX: y\r\n");
    }

    /// RFC 9110 §5.5: the branch-free test and the table say the same of every byte.
    #[test]
    fn field_values_are_made_of_value_bytes() {
        for byte in 0..=u8::MAX {
            assert_eq!(
                is_field_value(&[b'a', byte, b'b']),
                token::is_value_byte(byte),
                "{byte:#x}"
            );
        }
    }
}
