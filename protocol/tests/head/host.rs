//! The Host field.

use ringlane_protocol::Error::{HostInvalid, HostMissing, HostRepeated};

use crate::support::{Refused, as_is, assert_refused, head};

/// Section and a valid Host.
const TAKEN: &[(&str, &str)] = &[
    ("RFC 9110 §7.2", "example.com"),
    ("RFC 9110 §7.2", "EXAMPLE.com:8080"),
    ("RFC 9110 §7.2", "localhost"),
    ("RFC 9110 §7.2", "a"),
    ("RFC 3986 §3.2.2", "example.com."),
    ("RFC 3986 §3.2.2", "xn--bcher-kva.example"),
    ("RFC 3986 §3.2.2", "a_b-c.example"),
    ("RFC 3986 §3.2.2", "a%2Db"),
    ("RFC 3986 §3.2.2", "!$&'()*+,;="),
    ("RFC 3986 §3.2.2", "192.0.2.1"),
    ("RFC 3986 §3.2.2", "192.0.2.1:80"),
    ("RFC 3986 §3.2.2", "999.0.2.1"),
    ("RFC 3986 §3.2.2", "[::]"),
    ("RFC 3986 §3.2.2", "[::1]:8080"),
    ("RFC 3986 §3.2.2", "[2001:DB8:0:0:8:800:200C:417A]"),
    ("RFC 3986 §3.2.2", "[::ffff:192.0.2.1]"),
    ("RFC 3986 §3.2.3", "example.com:"),
    ("RFC 3986 §3.2.3", "[::1]:"),
    ("RFC 3986 §3.2.3", "example.com:0"),
    ("RFC 3986 §3.2.3", "example.com:00080"),
    ("RFC 3986 §3.2.3", "example.com:65535"),
];

#[test]
fn valid_hosts_are_taken() {
    for &(section, host) in TAKEN {
        for (name, version) in [("Host", "1.1"), ("host", "1.1"), ("HOST", "1.0"), ("hOsT", "1.2")] {
            let input = format!("GET / HTTP/{version}\r\nAccept: */*\r\n{name}: {host} \r\n\r\n").into_bytes();
            assert_eq!(head(&input).authority(&input), Some(host), "{section}");
        }
    }
}

#[test]
fn invalid_hosts_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9110 §4.2.1", b"", HostInvalid),
        ("RFC 9110 §4.2.1", b" \t", HostInvalid),
        ("RFC 9110 §4.2.1", b":80", HostInvalid),
        ("RFC 9112 §3.2", b"example.com, example.org", HostInvalid),
        ("RFC 9112 §3.2", b"example.com example.org", HostInvalid),
        ("RFC 9112 §3.2", b"example.com:80,example.org:80", HostInvalid),
        ("RFC 9112 §3.2", b"http://example.com", HostInvalid),
        ("RFC 9112 §3.2", b"example.com/", HostInvalid),
        ("RFC 9112 §3.2", b"example.com/a", HostInvalid),
        ("RFC 9112 §3.2", b"example.com?a", HostInvalid),
        ("RFC 9112 §3.2", b"example.com#a", HostInvalid),
        ("RFC 9112 §3.2", b"user@example.com", HostInvalid),
        ("RFC 9112 §3.2", b"user:80@example.com", HostInvalid),
        ("RFC 9112 §3.2", b"exa\tmple.com", HostInvalid),
        ("RFC 3986 §3.2.2", b"ex%ample.com", HostInvalid),
        ("RFC 3986 §3.2.2", b"example%4", HostInvalid),
        ("RFC 3986 §3.2.2", b"\"example.com\"", HostInvalid),
        ("RFC 3986 §3.2.2", b"<example>", HostInvalid),
        ("RFC 3986 §3.2.2", b"exam\\ple", HostInvalid),
        ("RFC 3986 §3.2.2", b"exam^ple", HostInvalid),
        ("RFC 3986 §3.2.2", b"{example}", HostInvalid),
        ("RFC 3986 §3.2.2", b"caf\xc3\xa9.example", HostInvalid),
        ("RFC 3986 §3.2.2", b"\xff", HostInvalid),
        ("RFC 3986 §3.2.2", b"::1", HostInvalid),
        ("RFC 3986 §3.2.2", b"[::1", HostInvalid),
        ("RFC 3986 §3.2.2", b"::1]", HostInvalid),
        ("RFC 3986 §3.2.2", b"[]", HostInvalid),
        ("RFC 3986 §3.2.2", b"[", HostInvalid),
        ("RFC 3986 §3.2.2", b"[::1]]", HostInvalid),
        ("RFC 3986 §3.2.2", b"[::1]80", HostInvalid),
        ("RFC 3986 §3.2.2", b"[192.0.2.1]", HostInvalid),
        ("RFC 3986 §3.2.2", b"[1:2:3]", HostInvalid),
        ("RFC 3986 §3.2.2", b"[1:2:3:4:5:6:7:8:9]", HostInvalid),
        ("RFC 3986 §3.2.2", b"[g::]", HostInvalid),
        ("RFC 3986 §3.2.2", b"[ ::1]", HostInvalid),
        ("RFC 3986 §3.2.2", b"[v1.a]", HostInvalid),
        ("RFC 6874 §2", b"[fe80::1%25eth0]", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com:a", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com:80a", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com:+80", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com:-80", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com: 80", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com:80:80", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com::80", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com:65536", HostInvalid),
        ("RFC 3986 §3.2.3", b"example.com:99999999999999999999", HostInvalid),
    ];
    for version in [b"1.1", b"1.0"] {
        assert_refused(TABLE, |host| {
            [b"GET / HTTP/", &version[..], b"\r\nHost: ", host, b"\r\n\r\n"].concat()
        });
    }
}

#[test]
fn hosts_missing_or_repeated_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9112 §3.2", b"GET / HTTP/1.1\r\n\r\n", HostMissing),
        ("RFC 9112 §3.2", b"GET / HTTP/1.2\r\n\r\n", HostMissing),
        ("RFC 9112 §3.2", b"GET / HTTP/1.1\r\nHosts: a\r\n\r\n", HostMissing),
        ("RFC 9112 §3.2", b"GET / HTTP/1.1\r\nX-Host: a\r\n\r\n", HostMissing),
        ("RFC 9112 §3.2.2", b"GET http://a/ HTTP/1.1\r\n\r\n", HostMissing),
        ("RFC 9112 §3.2", b"OPTIONS * HTTP/1.1\r\n\r\n", HostMissing),
        (
            "RFC 9112 §3.2",
            b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
            HostRepeated,
        ),
        (
            "RFC 9112 §3.2",
            b"GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n",
            HostRepeated,
        ),
        (
            "RFC 9112 §3.2",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nHOST:\r\n\r\n",
            HostRepeated,
        ),
        (
            "RFC 9112 §3.2",
            b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n",
            HostRepeated,
        ),
        (
            "RFC 9112 §3.2.2",
            b"GET http://a/ HTTP/1.1\r\nHost: b\r\nHost: a\r\n\r\n",
            HostRepeated,
        ),
        (
            "RFC 9112 §3.2.2",
            b"GET http://a/ HTTP/1.1\r\nHost: b@c\r\n\r\n",
            HostInvalid,
        ),
    ];
    assert_refused(TABLE, as_is);
}

/// RFC 9112 §3.2: only HTTP/1.1 demands it.
#[test]
fn http_10_may_lack_host() {
    let input = b"GET / HTTP/1.0\r\n\r\n";
    assert_eq!(head(input).authority(input), None);
}
