//! Runners for the tables.

use ringlane_protocol::head::{self, Head};
use ringlane_protocol::{Error, Limits, fuzz};

/// Section, what is sent, and the error it is refused with.
pub type Refused<'a> = (&'a str, &'a [u8], Error);

/// What follows a request line, or precedes the fields of a row.
pub const HOST: &[u8] = b"Host: example.com\r\n";

/// Parses with the default limits: whole, at every cut, and in both ways.
pub fn parse(input: &[u8]) -> Result<Option<Head>, Error> {
    let limits = Limits::default();
    fuzz::check_head(input, &limits);
    head::parse(input, &limits)
}

/// The head that `input` is, and nothing behind it.
pub fn head(input: &[u8]) -> Head {
    let head = match parse(input) {
        Ok(Some(head)) => head,
        other => panic!("{other:?}: {}", input.escape_ascii()),
    };
    assert_eq!(head.len(), input.len(), "{}", input.escape_ascii());
    head
}

/// A request with this line and a Host.
pub fn with_line(line: &[u8]) -> Vec<u8> {
    [line, b"\r\n", HOST, b"\r\n"].concat()
}

/// An HTTP/1.1 request with a Host and these field lines.
pub fn with_fields(lines: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.1\r\n", HOST, lines, b"\r\n"].concat()
}

/// The same of a later minor version, which is handled as HTTP/1.1 (RFC 9110 §2.5).
pub fn with_fields_12(lines: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.2\r\n", HOST, lines, b"\r\n"].concat()
}

/// An HTTP/1.0 request with these field lines.
pub fn with_fields_10(lines: &[u8]) -> Vec<u8> {
    [b"POST / HTTP/1.0\r\n", lines, b"\r\n"].concat()
}

/// Every row, made a request by `request`, is refused with the row's error.
pub fn assert_refused(table: &[Refused<'_>], request: impl Fn(&[u8]) -> Vec<u8>) {
    for &(section, bytes, error) in table {
        let input = request(bytes);
        assert_eq!(parse(&input), Err(error), "{section}: {}", input.escape_ascii());
        // What follows changes nothing.
        let longer = [&input, &b"GET / HTTP/1.1\r\n\r\n"[..]].concat();
        assert_eq!(parse(&longer), Err(error), "{section}: {}", longer.escape_ascii());
    }
}

/// The row is the whole input.
pub fn as_is(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}
