//! HTTP versions.

use http::Version;
use ringlane_protocol::Error::{BareCr, BareLf, VersionInvalid, VersionMissing, VersionUnsupported};

use crate::support::{Refused, as_is, assert_refused, head, with_line};

/// RFC 9110 §2.5: a higher minor version is handled as the highest one known.
#[test]
fn versions_of_http_1_are_taken() {
    for (section, version, expected) in [
        ("RFC 9112 §2.3", "HTTP/1.0", Version::HTTP_10),
        ("RFC 9112 §2.3", "HTTP/1.1", Version::HTTP_11),
        ("RFC 9110 §2.5", "HTTP/1.2", Version::HTTP_11),
        ("RFC 9110 §2.5", "HTTP/1.9", Version::HTTP_11),
    ] {
        let input = with_line(format!("GET / {version}").as_bytes());
        assert_eq!(head(&input).version(), expected, "{section}");
    }
}

#[test]
fn other_versions_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9110 §15.6.6", b"HTTP/0.9", VersionUnsupported),
        ("RFC 9110 §15.6.6", b"HTTP/0.0", VersionUnsupported),
        ("RFC 9110 §15.6.6", b"HTTP/2.0", VersionUnsupported),
        ("RFC 9110 §15.6.6", b"HTTP/3.0", VersionUnsupported),
        ("RFC 9110 §15.6.6", b"HTTP/9.9", VersionUnsupported),
        ("RFC 9112 §2.3", b"", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/1", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/2", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/1.", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/.1", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/11", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/1,1", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/1.10", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/01.1", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/1.1.1", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/a.b", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/+1.1", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP /1.1", VersionInvalid),
        ("RFC 9112 §2.3", b"http/1.1", VersionInvalid),
        ("RFC 9112 §2.3", b"Http/1.1", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTPS/1.1", VersionInvalid),
        ("RFC 9112 §2.3", b"ICE/1.0", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/1.\xb1", VersionInvalid),
        ("RFC 9112 §2.3", b"HTTP/1.1\0", VersionInvalid),
        ("RFC 9112 §2.2", b"HTTP/1.1\r", BareCr),
        ("RFC 9112 §2.2", b"HTTP/1.1\n", BareLf),
        ("RFC 9112 §2.2", b"HTTP/2.0\n", BareLf),
        ("RFC 9112 §2.2", b"HT\rTP/1.1", BareCr),
    ];
    assert_refused(TABLE, |version| with_line(&[b"GET / ", version].concat()));
}

#[test]
fn other_protocols_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9113 §3.4", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VersionUnsupported),
        ("RFC 9112 §3", b"GET /\r\n", VersionMissing),
        ("RFC 9112 §3", b"GET /a?b\r\n", VersionMissing),
        ("RFC 9112 §3", b"BREW /\r\n", VersionMissing),
        ("RFC 9112 §2.2", b"GET /\n", BareLf),
        ("RFC 9112 §2.2", b"GET / HTTP/1.1\nHost: a\n\n", BareLf),
        ("RFC 9112 §2.2", b"GET / HTTP/1.0\n\n", BareLf),
        ("RFC 9112 §2.2", b"GET / HTTP/1.0\r\n\n", BareLf),
    ];
    assert_refused(TABLE, as_is);
}
