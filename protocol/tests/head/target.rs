//! Request targets.

use ringlane_protocol::Error::{self, BareCr, BareLf, TargetForm, TargetFragment, TargetInvalid, TargetUserinfo};

use crate::support::{Refused, assert_refused, head, parse, with_line};

/// Section, target, path and query.
const TAKEN: &[(&str, &str, &str, Option<&str>)] = &[
    ("RFC 9112 §3.2.1", "/", "/", None),
    ("RFC 9112 §3.2.1", "/a", "/a", None),
    ("RFC 9112 §3.2.1", "/a/b.html", "/a/b.html", None),
    ("RFC 9112 §3.2.1", "/a/", "/a/", None),
    ("RFC 9110 §4.1", "//", "//", None),
    ("RFC 9110 §4.1", "//example.org/a", "//example.org/a", None),
    ("RFC 3986 §3.3", "/./a/../b", "/./a/../b", None),
    ("RFC 3986 §3.3", "/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@", None),
    ("RFC 3986 §3.3", "/*", "/*", None),
    ("RFC 3986 §2.1", "/%20%7e%7E", "/%20%7e%7E", None),
    ("RFC 3986 §2.1", "/%00", "/%00", None),
    ("RFC 3986 §2.1", "/%ff/%C3%A9", "/%ff/%C3%A9", None),
    ("RFC 3986 §3.4", "/?", "/", Some("")),
    ("RFC 3986 §3.4", "/a?b=c&d=%25", "/a", Some("b=c&d=%25")),
    ("RFC 3986 §3.4", "/a?b?c/d:@", "/a", Some("b?c/d:@")),
    ("RFC 3986 §3.4", "/??", "/", Some("?")),
    (
        "RFC 3986 §3.4",
        "/a?http://example.org/",
        "/a",
        Some("http://example.org/"),
    ),
    ("RFC 9112 §3.2.2", "http://example.com", "/", None),
    ("RFC 9112 §3.2.2", "http://example.com/", "/", None),
    ("RFC 9112 §3.2.2", "http://example.com/a/b?c", "/a/b", Some("c")),
    ("RFC 9112 §3.2.2", "http://example.com?a", "/", Some("a")),
    ("RFC 9112 §3.2.2", "http://example.com?a/b", "/", Some("a/b")),
    ("RFC 9112 §3.2.2", "https://example.com:8443/a", "/a", None),
    ("RFC 9110 §4.2.3", "HTTP://EXAMPLE.com/a", "/a", None),
    ("RFC 9110 §4.2.3", "hTTpS://example.com/a", "/a", None),
    ("RFC 3986 §3.2.2", "http://192.0.2.1:80/a", "/a", None),
    ("RFC 3986 §3.2.2", "http://[2001:db8::1]:80/a", "/a", None),
    ("RFC 3986 §3.2.2", "http://[::ffff:192.0.2.1]", "/", None),
    ("RFC 3986 §3.2.2", "http://a%2Db/c", "/c", None),
    ("RFC 3986 §3.2.3", "http://example.com:/a", "/a", None),
    ("RFC 3986 §3.3", "http://example.com//a", "//a", None),
];

#[test]
fn valid_targets_are_taken_apart() {
    for &(section, target, path, query) in TAKEN {
        for version in ["1.0", "1.1", "1.2"] {
            let input = with_line(format!("GET {target} HTTP/{version}").as_bytes());
            let head = head(&input);
            let found = (head.target(&input), head.path(&input), head.query(&input));
            assert_eq!(found, (target, path, query), "{section}");
        }
    }
}

/// RFC 9112 §3.2.4.
#[test]
fn asterisk_form_goes_with_options() {
    let input = with_line(b"OPTIONS * HTTP/1.1");
    let head = head(&input);
    assert_eq!(
        (head.target(&input), head.path(&input), head.query(&input)),
        ("*", "*", None)
    );
}

/// RFC 9112 §3.2.2, §3.3: the target's authority wins over Host.
#[test]
fn authority_is_the_targets_or_hosts() {
    const TABLE: &[(&str, Option<&str>)] = &[
        ("GET / HTTP/1.1\r\nHost: b:81\r\n\r\n", Some("b:81")),
        ("GET http://a:80/ HTTP/1.1\r\nHost: b\r\n\r\n", Some("a:80")),
        ("GET http://a?x HTTP/1.1\r\nHost: b\r\n\r\n", Some("a")),
        ("GET HTTPS://[::1] HTTP/1.0\r\n\r\n", Some("[::1]")),
        ("GET / HTTP/1.0\r\n\r\n", None),
        ("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", Some("b")),
    ];
    for &(input, authority) in TABLE {
        assert_eq!(head(input.as_bytes()).authority(input.as_bytes()), authority, "{input}");
    }
}

#[test]
fn invalid_targets_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9112 §3.2", b"", TargetInvalid),
        ("RFC 9112 §3.2", b"a", TargetInvalid),
        ("RFC 9112 §3.2", b"index.html", TargetInvalid),
        ("RFC 9112 §3.2", b"?a", TargetInvalid),
        ("RFC 9112 §3.2", b"..", TargetInvalid),
        ("RFC 9112 §3.2", b"**", TargetInvalid),
        ("RFC 9112 §3.2", b"*/", TargetInvalid),
        ("RFC 9112 §3.2", b":80", TargetInvalid),
        ("RFC 9112 §3.2.4", b"*", TargetForm),
        ("RFC 9112 §3.2.3", b"example.com:80", TargetForm),
        ("RFC 9112 §3.2", b"example.com/a", TargetInvalid),
        ("RFC 9110 §7.1", b"/#", TargetFragment),
        ("RFC 9110 §7.1", b"/a?b#c", TargetFragment),
        ("RFC 9110 §7.1", b"http://example.com#a", TargetFragment),
        ("RFC 3986 §2.1", b"/%", TargetInvalid),
        ("RFC 3986 §2.1", b"/%2", TargetInvalid),
        ("RFC 3986 §2.1", b"/%2/", TargetInvalid),
        ("RFC 3986 §2.1", b"/%g0", TargetInvalid),
        ("RFC 3986 §2.1", b"/%0g", TargetInvalid),
        ("RFC 3986 §2.1", b"/%%41", TargetInvalid),
        ("RFC 3986 §2.1", b"/a?%u0041", TargetInvalid),
        ("RFC 3986 §2", b"/\"", TargetInvalid),
        ("RFC 3986 §2", b"/<", TargetInvalid),
        ("RFC 3986 §2", b"/>", TargetInvalid),
        ("RFC 3986 §2", b"/\\", TargetInvalid),
        ("RFC 3986 §2", b"/^", TargetInvalid),
        ("RFC 3986 §2", b"/`", TargetInvalid),
        ("RFC 3986 §2", b"/{", TargetInvalid),
        ("RFC 3986 §2", b"/|", TargetInvalid),
        ("RFC 3986 §2", b"/}", TargetInvalid),
        ("RFC 3986 §3.3", b"/[", TargetInvalid),
        ("RFC 3986 §3.3", b"/]", TargetInvalid),
        ("RFC 3986 §3.4", b"/?a[]=b", TargetInvalid),
        ("RFC 3986 §3.4", b"/?a|b", TargetInvalid),
        ("RFC 3986 §3.4", b"/?\"", TargetInvalid),
        ("RFC 9112 §3.2", b"/\0", TargetInvalid),
        ("RFC 9112 §3.2", b"/\t", TargetInvalid),
        ("RFC 9112 §3.2", b"/\x0b", TargetInvalid),
        ("RFC 9112 §3.2", b"/\x1f", TargetInvalid),
        ("RFC 9112 §3.2", b"/\x7f", TargetInvalid),
        ("RFC 9112 §3.2", b"/\x80", TargetInvalid),
        ("RFC 9112 §3.2", b"/caf\xc3\xa9", TargetInvalid),
        ("RFC 9112 §3.2", b"/?\xff", TargetInvalid),
        ("RFC 9112 §2.2", b"/\n", BareLf),
        ("RFC 9112 §2.2", b"/\rx", BareCr),
        ("RFC 9112 §3.2.2", b"http:", TargetInvalid),
        ("RFC 9112 §3.2.2", b"http:/a", TargetInvalid),
        ("RFC 9112 §3.2.2", b"http:a", TargetInvalid),
        ("RFC 9110 §4.2.1", b"http://", TargetInvalid),
        ("RFC 9110 §4.2.1", b"http:///a", TargetInvalid),
        ("RFC 9110 §4.2.1", b"http://:80/", TargetInvalid),
        ("RFC 9110 §4.2.2", b"https://?a", TargetInvalid),
        ("RFC 9112 §3.2.2", b"ftp://example.com/", TargetInvalid),
        ("RFC 9112 §3.2.2", b"ws://example.com/", TargetInvalid),
        ("RFC 9112 §3.2.2", b"httpx://example.com/", TargetInvalid),
        ("RFC 9110 §4.2.4", b"http://user@example.com/", TargetUserinfo),
        ("RFC 9110 §4.2.4", b"http://user:password@example.com/", TargetUserinfo),
        ("RFC 9110 §4.2.4", b"http://@example.com/", TargetUserinfo),
        ("RFC 9110 §4.2.4", b"https://a@b@c", TargetUserinfo),
        ("RFC 3986 §3.2.2", b"http://[::1/", TargetInvalid),
        ("RFC 3986 §3.2.2", b"http://[]/", TargetInvalid),
        ("RFC 3986 §3.2.2", b"http://[1]/", TargetInvalid),
        ("RFC 3986 §3.2.2", b"http://[::1]a/", TargetInvalid),
        ("RFC 3986 §3.2.2", b"http://a[::1]/", TargetInvalid),
        ("RFC 3986 §3.2.3", b"http://example.com:80a/", TargetInvalid),
        ("RFC 3986 §3.2.3", b"http://example.com:-1/", TargetInvalid),
        ("RFC 3986 §3.2.3", b"http://example.com:65536/", TargetInvalid),
        ("RFC 3986 §3.2.3", b"http://example.com:80:80/", TargetInvalid),
        ("RFC 3986 §3.3", b"http://example.com/[", TargetInvalid),
    ];
    assert_refused(TABLE, |target| with_line(&[b"GET ", target, b" HTTP/1.1"].concat()));
}

/// RFC 9112 §3: where the request line's parts are, no other whitespace is.
#[test]
fn spaces_are_one_each() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9112 §3", b"GET  / HTTP/1.1", TargetInvalid),
        ("RFC 9112 §3", b"GET \t/ HTTP/1.1", TargetInvalid),
        ("RFC 9112 §3", b"GET /\tHTTP/1.1", TargetInvalid),
        ("RFC 9112 §3", b"GET /  HTTP/1.1", Error::VersionInvalid),
        ("RFC 9112 §3", b"GET /a b HTTP/1.1", Error::VersionInvalid),
        ("RFC 9112 §3", b"GET / HTTP/1.1 ", Error::VersionInvalid),
        ("RFC 9112 §3", b"GET / HTTP/1.1\t", Error::VersionInvalid),
        ("RFC 9112 §3", b"GET /\xc2\xa0HTTP/1.1", TargetInvalid),
    ];
    assert_refused(TABLE, with_line);
}

/// RFC 9112 §3.2: a byte outside any form is refused where it stands, not at the end of the line.
#[test]
fn wrong_bytes_are_refused_at_once() {
    assert_eq!(parse(b"GET /{"), Err(TargetInvalid));
    assert_eq!(parse(b"GET /#"), Err(TargetFragment));
    assert_eq!(parse(b"GET /\n"), Err(BareLf));
}
