//! Methods, and what precedes the request line.

use ringlane_protocol::Error::{BareCr, BareLf, ConnectRefused, EmptyLines, HostMissing, MethodInvalid, MethodUnknown};
use ringlane_protocol::Error::{TargetForm, TargetInvalid};

use crate::support::{Refused, as_is, assert_refused, head, parse, with_line};

/// RFC 9110 §9.3, RFC 5789.
#[test]
fn known_methods_are_taken() {
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"] {
        let input = with_line(format!("{method} / HTTP/1.1").as_bytes());
        assert_eq!(head(&input).method().as_str(), method);
    }
}

#[test]
fn other_methods_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9110 §9.1", b"get / HTTP/1.1", MethodUnknown),
        ("RFC 9110 §9.1", b"Get / HTTP/1.1", MethodUnknown),
        ("RFC 9110 §9.1", b"GETT / HTTP/1.1", MethodUnknown),
        ("RFC 9110 §9.1", b"GE / HTTP/1.1", MethodUnknown),
        ("RFC 9110 §9.1", b"PROPFIND / HTTP/1.1", MethodUnknown),
        ("RFC 9110 §9.1", b"QUERY / HTTP/1.1", MethodUnknown),
        ("RFC 9110 §9.1", b"PRI / HTTP/1.1", MethodUnknown),
        ("RFC 9110 §9.1", b"X / HTTP/1.0", MethodUnknown),
        ("RFC 9110 §5.6.2", b"!#$%&'*+-.^_`|~09 / HTTP/1.1", MethodUnknown),
        (
            "RFC 9112 §3",
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF / HTTP/1.1",
            MethodUnknown,
        ),
        (
            "RFC 9112 §3",
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1",
            MethodUnknown,
        ),
        ("RFC 9110 §9.3.6", b"CONNECT example.com:443 HTTP/1.1", ConnectRefused),
        ("RFC 9110 §9.3.6", b"CONNECT [::1]:443 HTTP/1.1", ConnectRefused),
        ("RFC 9112 §3.2.3", b"CONNECT / HTTP/1.1", TargetForm),
        ("RFC 9112 §3.2.3", b"CONNECT http://example.com/ HTTP/1.1", TargetForm),
        ("RFC 9112 §3.2.3", b"CONNECT * HTTP/1.1", TargetForm),
        ("RFC 9112 §3.2.3", b"CONNECT example.com HTTP/1.1", TargetInvalid),
        ("RFC 9112 §3.2.3", b"CONNECT example.com: HTTP/1.1", TargetInvalid),
        ("RFC 9112 §3.2.3", b"CONNECT :443 HTTP/1.1", TargetInvalid),
        ("RFC 9112 §3.2.3", b"CONNECT a@example.com:443 HTTP/1.1", TargetInvalid),
    ];
    assert_refused(TABLE, with_line);
}

#[test]
fn malformed_methods_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9112 §3", b" GET / HTTP/1.1", MethodInvalid),
        ("RFC 9112 §3", b"\tGET / HTTP/1.1", MethodInvalid),
        ("RFC 9112 §3", b"GET\t/ HTTP/1.1", MethodInvalid),
        ("RFC 9112 §3", b"GET\x0b/ HTTP/1.1", MethodInvalid),
        ("RFC 9112 §3", b"GET\x0c/ HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"G(T / HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"G@T / HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"GET: / HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"GET/ HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"\"GET\" / HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"G\0T / HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"G\x7fT / HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"G\xc3\x89T / HTTP/1.1", MethodInvalid),
        ("RFC 9110 §9.1", b"\xef\xbb\xbfGET / HTTP/1.1", MethodInvalid),
        ("RFC 9112 §3", b"GET", MethodInvalid),
        ("RFC 9112 §3", b"/ HTTP/1.1", MethodInvalid),
        (
            "RFC 8446 §5.1",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            MethodInvalid,
        ),
        ("RFC 9112 §2.2", b"GET\n/ HTTP/1.1", BareLf),
        ("RFC 9112 §2.2", b"GET\r/ HTTP/1.1", BareCr),
    ];
    assert_refused(TABLE, with_line);
}

/// RFC 9112 §2.2: at least one empty line before the request line should be ignored; two are.
#[test]
fn two_empty_lines_are_ignored() {
    for empty_lines in [&b"\r\n"[..], b"\r\n\r\n"] {
        let input = [empty_lines, b"GET /a?b HTTP/1.1\r\nHost: example.com\r\nX: y\r\n\r\n"].concat();
        let head = head(&input);
        assert_eq!((head.path(&input), head.query(&input)), ("/a", Some("b")));
        assert_eq!(head.field(&input, "x"), Some(&b"y"[..]));
    }
}

#[test]
fn other_bytes_before_the_request_line_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        (
            "RFC 9112 §2.2",
            b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            EmptyLines,
        ),
        ("RFC 9112 §2.2", b"\r\n\r\n\r", EmptyLines),
        ("RFC 9112 §2.2", b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareLf),
        ("RFC 9112 §2.2", b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareLf),
        ("RFC 9112 §2.2", b"\r\n\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareLf),
        ("RFC 9112 §2.2", b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareCr),
        ("RFC 9112 §2.2", b"\r\n\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareCr),
        ("RFC 9112 §2.2", b"\r\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", BareCr),
        ("RFC 9112 §3", b" \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", MethodInvalid),
        ("RFC 9112 §3", b"\0GET / HTTP/1.1\r\nHost: a\r\n\r\n", MethodInvalid),
    ];
    assert_refused(TABLE, as_is);
}

/// What is wrong with the framing, or with Host, wins over the method.
#[test]
fn wrong_fields_win_over_unknown_methods() {
    assert_eq!(parse(b"BREW / HTTP/1.1\r\n\r\n"), Err(HostMissing));
    assert_eq!(parse(b"CONNECT a:1 HTTP/1.1\r\n\r\n"), Err(HostMissing));
}

#[test]
fn parts_of_a_head_are_not_enough() {
    for input in [
        &b""[..],
        b"\r",
        b"\r\n",
        b"\r\n\r",
        b"\r\n\r\n",
        b"G",
        b"GET ",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r",
    ] {
        assert_eq!(parse(input), Ok(None), "{}", input.escape_ascii());
    }
}
