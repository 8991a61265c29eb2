//! The response encoder, read back by httparse.

use std::collections::HashSet;

use http::StatusCode;
use ringlane_protocol::date::Date;
use ringlane_protocol::response::{
    CONTINUE, FieldError, FieldLines, FieldValue, Framing, Head, Persistence, encode, encoded_bytes_max,
};

const DATE: &[u8; 29] = b"Sun, 06 Nov 1994 08:49:37 GMT";

fn head(status: u16, framing: Framing, persistence: Persistence) -> Head<'static> {
    let status = StatusCode::from_u16(status).unwrap();
    Head {
        status,
        content_type: None,
        fields: b"",
        framing,
        persistence,
        upgrade: None,
        date: DATE,
    }
}

/// The encoded head; it fits exactly where it fits, and nowhere else.
fn encoded(head: &Head<'_>) -> String {
    let mut out = vec![0xaa; encoded_bytes_max(head)];
    let len = encode(head, &mut out).expect("the buffer is large enough");
    assert!(
        out[len..].iter().all(|&byte| byte == 0xaa),
        "nothing is written behind the end"
    );
    assert_eq!(encode(head, &mut vec![0; len]), Some(len));
    for short in 0..len {
        assert_eq!(encode(head, &mut vec![0; short]), None);
    }
    String::from_utf8(out[..len].to_vec()).unwrap()
}

/// Section, head, what is written apart from the Date.
#[test]
fn heads_are_written_in_full() {
    use Framing::{Chunked, Length, None as NoBody, UntilClose};
    use Persistence::{Close, KeepAlive, KeepAliveExplicit, Upgrade};
    let websocket = FieldValue::new("websocket");
    let with_upgrade = |head: Head<'static>| Head {
        upgrade: websocket,
        ..head
    };
    let table = [
        (
            "RFC 9112 §4",
            head(200, Length(0), KeepAlive),
            "200 OK\r\n@Content-Length: 0\r\n",
        ),
        (
            "RFC 9110 §8.6",
            head(200, Length(42), KeepAlive),
            "200 OK\r\n@Content-Length: 42\r\n",
        ),
        (
            "RFC 9110 §8.6",
            head(304, Length(42), KeepAlive),
            "304 Not Modified\r\n@Content-Length: 42\r\n",
        ),
        (
            "RFC 9112 §6.1",
            head(200, Chunked, KeepAlive),
            "200 OK\r\n@Transfer-Encoding: chunked\r\n",
        ),
        (
            "RFC 9112 §6.3",
            head(200, UntilClose, Close),
            "200 OK\r\n@Connection: close\r\n",
        ),
        ("RFC 9112 §6.3", head(304, NoBody, KeepAlive), "304 Not Modified\r\n@"),
        ("RFC 9110 §8.6", head(204, Length(0), KeepAlive), "204 No Content\r\n@"),
        ("RFC 9112 §6.1", head(204, Chunked, KeepAlive), "204 No Content\r\n@"),
        ("RFC 9110 §8.6", head(103, Length(0), KeepAlive), "103 Early Hints\r\n@"),
        (
            "RFC 9112 §9.3",
            head(404, NoBody, KeepAliveExplicit),
            "404 Not Found\r\n@Connection: keep-alive\r\n",
        ),
        (
            "RFC 9112 §9.6",
            head(503, Length(9), Close),
            "503 Service Unavailable\r\n@Content-Length: 9\r\nConnection: close\r\n",
        ),
        (
            "RFC 9110 §7.8",
            with_upgrade(head(101, Chunked, Upgrade)),
            "101 Switching Protocols\r\n@Connection: Upgrade\r\nUpgrade: websocket\r\n",
        ),
        (
            "RFC 9110 §15.5.22",
            with_upgrade(head(426, Length(0), KeepAlive)),
            "426 Upgrade Required\r\n@Content-Length: 0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n",
        ),
        (
            "RFC 9110 §7.6.1",
            with_upgrade(head(426, NoBody, Close)),
            "426 Upgrade Required\r\n@Connection: close, Upgrade\r\nUpgrade: websocket\r\n",
        ),
        (
            "RFC 9110 §7.6.1",
            with_upgrade(head(426, NoBody, KeepAliveExplicit)),
            "426 Upgrade Required\r\n@Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n",
        ),
        ("RFC 9112 §4", head(799, NoBody, KeepAlive), "799 \r\n@"),
        (
            "RFC 9112 §4",
            head(511, NoBody, KeepAlive),
            "511 Network Authentication Required\r\n@",
        ),
    ];
    let date = format!("Date: {}\r\n", core::str::from_utf8(DATE).unwrap());
    for (section, head, expected) in table {
        assert_eq!(
            encoded(&head),
            format!("HTTP/1.1 {}\r\n", expected.replace('@', &date)),
            "{section}"
        );
    }
}

/// RFC 9112 §4, §5: every status and framing is read back as it was meant.
#[test]
fn heads_are_read_back() {
    let mut lines = FieldLines::new();
    lines.push("X-One", b"1").unwrap();
    lines.push("x-two", b"\xff\t2").unwrap();
    let date = Date::new(784_111_777);
    for status in 100..1000 {
        for length in [0, 7, 10, 99, 1_000_000, u64::MAX] {
            let head = Head {
                status: StatusCode::from_u16(status).unwrap(),
                content_type: FieldValue::new("text/plain; charset=utf-8"),
                fields: lines.as_bytes(),
                framing: Framing::Length(length),
                persistence: Persistence::Close,
                upgrade: None,
                date: date.as_bytes(),
            };
            let mut out = [0; 512];
            let len = encode(&head, &mut out).unwrap();
            assert!(len <= encoded_bytes_max(&head));
            let mut headers = [httparse::EMPTY_HEADER; 8];
            let mut response = httparse::Response::new(&mut headers);
            assert_eq!(response.parse(&out[..len]), Ok(httparse::Status::Complete(len)));
            assert_eq!((response.version, response.code), (Some(1), Some(status)));
            assert_eq!(
                response.reason,
                Some(head.status.canonical_reason().unwrap_or_default())
            );
            let length = length.to_string();
            let mut expected = vec![
                ("Date", &DATE[..]),
                ("Content-Type", b"text/plain; charset=utf-8"),
                ("Content-Length", length.as_bytes()),
                ("Connection", b"close"),
                ("X-One", b"1"),
                ("x-two", b"\xff\t2"),
            ];
            expected.retain(|(name, _)| *name != "Content-Length" || (status >= 200 && status != 204));
            let fields: Vec<_> = response
                .headers
                .iter()
                .map(|header| (header.name, header.value))
                .collect();
            assert_eq!(fields, expected);
        }
    }
}

/// The longest of all heads fits, and no more is reserved for it than is left to reason phrases to grow.
#[test]
fn the_longest_head_is_what_is_reserved() {
    let left = (200..1000).map(|status| {
        let head = Head {
            content_type: FieldValue::new("text/plain"),
            fields: b"A: b\r\n",
            upgrade: FieldValue::new("websocket"),
            ..head(status, Framing::Length(u64::MAX), Persistence::KeepAliveExplicit)
        };
        encoded_bytes_max(&head) - encoded(&head).len()
    });
    assert_eq!(left.min(), Some(18));
}

/// RFC 9110 §5.5: no value splits a response.
#[test]
fn values_that_would_split_the_response_are_none() {
    for value in ["a\r\nSet-Cookie: b", "a\nb", "a\rb", "a\0b", "a\x7fb"] {
        assert_eq!(FieldValue::new(value), None);
        assert!(std::panic::catch_unwind(|| FieldValue::constant(value)).is_err());
    }
    for value in ["", "a", "a\tb", "\u{fc}"] {
        assert_eq!(FieldValue::new(value).map(FieldValue::as_str), Some(value));
        assert_eq!(FieldValue::constant(value).as_str(), value);
    }
}

#[test]
fn continue_is_a_whole_interim_response() {
    let mut headers = [];
    let mut response = httparse::Response::new(&mut headers);
    assert_eq!(response.parse(CONTINUE), Ok(httparse::Status::Complete(CONTINUE.len())));
    assert_eq!((response.code, response.reason), (Some(100), Some("Continue")));
}

#[test]
fn valid_field_lines_are_taken() {
    const TABLE: &[(&str, &str, &[u8], &[u8])] = &[
        ("RFC 9112 §5", "A", b"b", b"A: b\r\n"),
        ("RFC 9112 §5", "A", b"", b"A: \r\n"),
        ("RFC 9110 §5.5", "A", b" \tb c\t ", b"A: b c\r\n"),
        ("RFC 9110 §5.5", "A", b"b\tc", b"A: b\tc\r\n"),
        ("RFC 9110 §5.5", "A", b"\x80\xff", b"A: \x80\xff\r\n"),
        (
            "RFC 9110 §5.6.2",
            "!#$%&'*+-.^_`|~0z",
            b"a",
            b"!#$%&'*+-.^_`|~0z: a\r\n",
        ),
        (
            "RFC 9110 §8.3",
            "content-type",
            b"text/html",
            b"content-type: text/html\r\n",
        ),
    ];
    for &(section, name, value, line) in TABLE {
        let mut lines = FieldLines::default();
        assert!(lines.is_empty() && lines.as_bytes().is_empty());
        lines.push(name, value).unwrap();
        assert_eq!(lines.as_bytes(), line, "{section}");
        assert!(!lines.is_empty() && lines.contains(name) && lines.contains(&name.to_uppercase()));
    }
}

#[test]
fn other_field_lines_are_refused() {
    use FieldError::{NameInvalid, Reserved, ValueInvalid};
    const TABLE: &[(&str, &str, &[u8], FieldError)] = &[
        ("RFC 9110 §5.1", "", b"a", NameInvalid),
        ("RFC 9110 §5.1", "A ", b"b", NameInvalid),
        ("RFC 9110 §5.1", "A:", b"b", NameInvalid),
        ("RFC 9110 §5.1", "A\r\nB", b"c", NameInvalid),
        ("RFC 9110 §5.1", "\u{e9}", b"a", NameInvalid),
        ("RFC 9110 §5.5", "A", b"b\r\nC: d", ValueInvalid),
        ("RFC 9110 §5.5", "A", b"b\n", ValueInvalid),
        ("RFC 9110 §5.5", "A", b"\r", ValueInvalid),
        ("RFC 9110 §5.5", "A", b"\0", ValueInvalid),
        ("RFC 9110 §5.5", "A", b"b\x7f", ValueInvalid),
        ("RFC 9110 §5.5", "A", b"\x1b[0m", ValueInvalid),
        ("RFC 9112 §6.3", "Content-Length", b"5", Reserved),
        ("RFC 9112 §6.3", "content-length", b"5", Reserved),
        ("RFC 9112 §6.3", "Transfer-Encoding", b"chunked", Reserved),
        ("RFC 9112 §9.3", "Connection", b"close", Reserved),
        ("RFC 9112 §9.3", "Keep-Alive", b"timeout=5", Reserved),
        ("RFC 9110 §6.6.1", "DATE", b"now", Reserved),
        ("RFC 9110 §7.8", "Upgrade", b"h2c", Reserved),
        ("RFC 9110 §6.6.2", "Trailer", b"A", Reserved),
    ];
    let mut lines = FieldLines::new();
    for &(section, name, value, error) in TABLE {
        assert_eq!(lines.push(name, value), Err(error), "{section}");
        assert!(lines.is_empty(), "{section}");
    }
}

/// Whoever wrote the field can tell what to change.
#[test]
fn every_field_error_says_something_else_in_one_line() {
    let errors = [FieldError::NameInvalid, FieldError::ValueInvalid, FieldError::Reserved];
    let messages: HashSet<_> = errors.iter().map(FieldError::to_string).collect();
    assert_eq!(messages.len(), errors.len());
    for message in messages {
        assert!(!message.is_empty() && !message.contains('\n'), "{message:?}");
    }
}

/// RFC 9110 §5.1.
#[test]
fn field_lines_are_found_by_name() {
    let mut lines = FieldLines::new();
    lines.push("Vary", b"Accept: x").unwrap();
    lines.push("Set-Cookie", b"a=b").unwrap();
    for (name, found) in [
        ("vary", true),
        ("SET-COOKIE", true),
        ("Accept", false),
        ("Var", false),
        ("Varyx", false),
        ("", false),
    ] {
        assert_eq!(lines.contains(name), found, "{name}");
    }
}
