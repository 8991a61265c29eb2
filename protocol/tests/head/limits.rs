//! The limits of a head, each reached and each passed by one.

use ringlane_protocol::Error::{self, HeadTooLarge, TargetTooLong, TooManyFields};
use ringlane_protocol::{Limits, fuzz, head};

use crate::support::with_line;

fn parse(input: &[u8], limits: &Limits) -> Result<Option<usize>, Error> {
    fuzz::check_head(input, limits);
    head::parse(input, limits).map(|head| head.map(|head| head.len()))
}

/// RFC 9112 §3: 414, while the request line is not even complete.
#[test]
fn target_limit() {
    let limits = Limits {
        target_bytes_max: 10,
        ..Limits::default()
    };
    let longest = with_line(b"GET /234567890 HTTP/1.1");
    assert_eq!(parse(&longest, &limits), Ok(Some(longest.len())));
    assert_eq!(
        parse(&with_line(b"GET /2345678901 HTTP/1.1"), &limits),
        Err(TargetTooLong)
    );
    assert_eq!(parse(b"GET /234567890", &limits), Ok(None));
    assert_eq!(parse(b"GET /2345678901", &limits), Err(TargetTooLong));
    assert_eq!(parse(b"GET /2345678901{", &limits), Err(TargetTooLong));
    assert_eq!(parse(b"GET /23456789{", &limits), Err(Error::TargetInvalid));
}

#[test]
fn default_target_limit() {
    let request = |len: usize| with_line(format!("GET /{} HTTP/1.1", "a".repeat(len - 1)).as_bytes());
    assert_eq!(parse(&request(8 * 1024), &Limits::default()), Ok(Some(8 * 1024 + 36)));
    assert_eq!(parse(&request(8 * 1024 + 1), &Limits::default()), Err(TargetTooLong));
}

/// RFC 6585 §5: 431. No byte behind the limit is looked at.
#[test]
fn head_limit() {
    let request = |len: usize| {
        let rest = b"GET / HTTP/1.1\r\nHost: a\r\nA: \r\n\r\n".len();
        format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "b".repeat(len - rest)).into_bytes()
    };
    let limits = Limits {
        head_bytes_max: 100,
        ..Limits::default()
    };
    for empty_lines in [&b""[..], b"\r\n", b"\r\n\r\n"] {
        let longest = [empty_lines, &request(100)].concat();
        assert_eq!(parse(&longest, &limits), Ok(Some(longest.len())));
        assert_eq!(parse(&longest[..longest.len() - 1], &limits), Ok(None));
        let longer = [empty_lines, &request(101)].concat();
        assert_eq!(parse(&longer, &limits), Err(HeadTooLarge));
        assert_eq!(parse(&longer[..longer.len() - 1], &limits), Err(HeadTooLarge));
        assert_eq!(parse(&longer[..longer.len() - 2], &limits), Ok(None));
    }
    // A wrong byte before the limit wins, one behind it does not.
    assert_eq!(
        parse(&[b"GET / HTTP/1.1\r\nA: ", &[b'b'; 80][..], b"\0"].concat(), &limits),
        Err(Error::FieldValueInvalid)
    );
    assert_eq!(
        parse(&[b"GET / HTTP/1.1\r\nA: ", &[b'b'; 81][..], b"\0"].concat(), &limits),
        Err(HeadTooLarge)
    );
}

#[test]
fn default_head_limit() {
    let endless = [b"GET / HTTP/1.1\r\nA: ", &[b'b'; 20_000][..]].concat();
    assert_eq!(parse(&endless[..16 * 1024 - 1], &Limits::default()), Ok(None));
    assert_eq!(parse(&endless[..16 * 1024], &Limits::default()), Err(HeadTooLarge));
    assert_eq!(parse(&endless, &Limits::default()), Err(HeadTooLarge));
}

/// RFC 6585 §5: 431.
#[test]
fn fields_limit() {
    let request =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "A: b\r\n".repeat(count - 1)).into_bytes();
    for (fields_max, limit) in [(1, 1), (3, 3), (100, 100), (256, 256), (300, 256)] {
        let limits = Limits {
            fields_max,
            ..Limits::default()
        };
        let most = request(limit);
        assert_eq!(parse(&most, &limits), Ok(Some(most.len())), "{fields_max}");
        let more = request(limit + 1);
        assert_eq!(parse(&more, &limits), Err(TooManyFields), "{fields_max}");
        assert_eq!(
            parse(&more[..most.len() - 1], &limits),
            Err(TooManyFields),
            "at the first byte of the line too many"
        );
    }
}

/// Limits that leave nothing are kept, too.
#[test]
fn limits_of_nothing() {
    let limits = Limits {
        target_bytes_max: 0,
        ..Limits::default()
    };
    assert_eq!(parse(b"GET /", &limits), Err(TargetTooLong));
    let limits = Limits {
        fields_max: 0,
        ..Limits::default()
    };
    assert_eq!(parse(b"GET / HTTP/1.0\r\n\r\n", &limits), Ok(Some(18)));
    assert_eq!(parse(b"GET / HTTP/1.0\r\nA", &limits), Err(TooManyFields));
    let only_host = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n";
    assert_eq!(parse(only_host, &limits), Err(TooManyFields));
    let limits = Limits {
        head_bytes_max: 0,
        ..Limits::default()
    };
    assert_eq!(parse(b"", &limits), Err(HeadTooLarge));
}

/// RFC 9112 §3: a method longer than any known one is a 501, and is not waited for.
#[test]
fn method_limit() {
    assert_eq!(parse(&[b'A'; 32], &Limits::default()), Ok(None));
    assert_eq!(parse(&[b'A'; 33], &Limits::default()), Err(Error::MethodUnknown));
}
