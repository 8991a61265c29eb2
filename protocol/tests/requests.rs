//! Requests one after the other on one connection, each row cut at every byte boundary, byte by byte, and at random.

use ringlane_protocol::Error::{BareLf, BodyTooLarge, ChunkEndMissing, ChunkSizeInvalid, CodingUnsupported};
use ringlane_protocol::Error::{ContentLengthRepeated, EmptyLines, TransferEncodingAndContentLength};
use ringlane_protocol::Limits;
use ringlane_protocol::fuzz::{self, End, Ending, Sequence};

/// What is allowed to each body here.
const BODY_BYTES_MAX: u64 = 64;

/// Reads whole, byte by byte, and cut in two at every boundary: all come to the same.
fn read(input: &[u8]) -> Sequence {
    let cut_at = |at: usize| {
        fuzz::check_requests(input, &Limits::default(), BODY_BYTES_MAX, |left| {
            (left + at)
                .checked_sub(input.len())
                .filter(|&piece| piece > 0)
                .unwrap_or(left)
        })
    };
    for at in 1..input.len() {
        cut_at(at);
    }
    cut_at(0)
}

/// The paths and the bodies that were found, as far as they go.
fn found(sequence: &Sequence) -> Vec<(&str, &[u8])> {
    let requests = sequence.requests.iter();
    requests
        .map(|request| (request.head.path(&request.bytes), &request.body.data[..]))
        .collect()
}

/// What is sent ahead of each row's bytes and behind them.
const FIRST: &[u8] = b"GET /first HTTP/1.1\r\nHost: a\r\n\r\n";
const LAST: &[u8] = b"GET /last HTTP/1.1\r\nHost: a\r\n\r\n";

/// Section, request, body: the request behind it is read as what it is.
const FOLLOWED: &[(&str, &[u8], &[u8])] = &[
    ("RFC 9112 §6.3", b"GET /x HTTP/1.1\r\nHost: a\r\n\r\n", b""),
    ("RFC 9112 §6.3", b"DELETE /x HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", b""),
    ("RFC 9112 §6.2", b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", b"abc"),
    ("RFC 9112 §6.2", b"GET /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n\r\n\r\n", b"\r\n\r\n"),
    (
        "RFC 9112 §11.2",
        b"HEAD /x HTTP/1.1\r\nHost: a\r\nContent-Length: 28\r\n\r\nGET /y HTTP/1.1\r\nHost: b\r\n\r\n",
        b"GET /y HTTP/1.1\r\nHost: b\r\n\r\n",
    ),
    (
        "RFC 9112 §7.1",
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;b\r\nbc\r\n0\r\nX: y\r\n\r\n",
        b"abc",
    ),
    (
        "RFC 9112 §11.2",
        b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1c\r\nGET /y HTTP/1.1\r\nHost: b\r\n\r\n\r\n0\r\n\r\n",
        b"GET /y HTTP/1.1\r\nHost: b\r\n\r\n",
    ),
    // RFC 9112 §2.2: an empty line that old clients send behind a body.
    ("RFC 9112 §2.2", b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc\r\n", b"abc"),
    (
        "RFC 9110 §10.1.1",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\na",
        b"a",
    ),
    ("RFC 9112 §9.3", b"POST /x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na", b"a"),
];

#[test]
fn what_follows_a_request_is_the_next_one() {
    for &(section, request, body) in FOLLOWED {
        let input = [FIRST, request, LAST].concat();
        let sequence = read(&input);
        assert_eq!(
            found(&sequence),
            [("/first", &b""[..]), ("/x", body), ("/last", b"")],
            "{section}"
        );
        assert_eq!(sequence.end, Ending::More, "{section}");
    }
}

/// RFC 9112 §9.3.2: a pipeline. Whichever requests follow one another, each is read as it would be alone.
#[test]
fn requests_do_not_depend_on_the_one_before() {
    for (index, &(_, first, first_body)) in FOLLOWED.iter().enumerate() {
        for &(_, second, second_body) in FOLLOWED {
            let input = [first, second, LAST].concat();
            let stride = 2 + index;
            let sequence = fuzz::check_requests(&input, &Limits::default(), BODY_BYTES_MAX, |_| stride);
            assert_eq!(
                found(&sequence),
                [("/x", first_body), ("/x", second_body), ("/last", b"")]
            );
            assert_eq!(sequence.end, Ending::More);
        }
    }
}

/// Section, request, and what it is refused with, or else closes with: nothing behind it is a request.
#[test]
fn nothing_behind_the_last_request_is_read() {
    use Ending::{Closed, Refused};
    const TABLE: &[(&str, &[u8], Ending)] = &[
        (
            "RFC 9112 §9.6",
            b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            Closed,
        ),
        (
            "RFC 9112 §9.6",
            b"PUT /x HTTP/1.1\r\nHost: a\r\nConnection: b, Close\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Closed,
        ),
        (
            "RFC 9112 §9.3",
            b"PUT /x HTTP/1.0\r\nContent-Length: 1\r\n\r\na",
            Closed,
        ),
        (
            "RFC 9112 §11.2",
            b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
            Refused(TransferEncodingAndContentLength),
        ),
        (
            "RFC 9112 §11.2",
            b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\ncontent-length: 0\r\n\r\n",
            Refused(ContentLengthRepeated),
        ),
        (
            "RFC 9112 §11.2",
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            Refused(CodingUnsupported),
        ),
        (
            "RFC 9112 §7.1",
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
            Refused(ChunkSizeInvalid),
        ),
        (
            "RFC 9112 §7.1",
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
            Refused(ChunkEndMissing),
        ),
        (
            "RFC 9110 §15.5.14",
            b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 65\r\n\r\n",
            Refused(BodyTooLarge),
        ),
        (
            "RFC 9110 §15.5.14",
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n41\r\n",
            Refused(BodyTooLarge),
        ),
        ("RFC 9112 §2.2", b"\r\n\r\n\r\n", Refused(EmptyLines)),
        ("RFC 9112 §2.2", b"GET /x HTTP/1.1\r\nHost: a\n\r\n", Refused(BareLf)),
    ];
    for &(section, request, end) in TABLE {
        let input = [FIRST, request, LAST].concat();
        let sequence = read(&input);
        assert_eq!(sequence.end, end, "{section}: {}", request.escape_ascii());
        assert!(
            found(&sequence)
                .iter()
                .all(|(path, _)| *path == "/first" || *path == "/x"),
            "{section}: {}",
            request.escape_ascii()
        );
    }
}

/// RFC 9112 §8: what is there of a body is told apart from a whole one.
#[test]
fn unfinished_requests_are_incomplete() {
    for (rest, body) in [
        (
            &b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabc"[..],
            &b"abc"[..],
        ),
        (
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
            b"abc",
        ),
        (
            b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n",
            b"abc",
        ),
    ] {
        let input = [FIRST, rest].concat();
        let sequence = read(&input);
        assert_eq!(found(&sequence), [("/first", &b""[..]), ("/x", body)]);
        assert_eq!((sequence.requests[1].body.end, sequence.end), (End::More, Ending::More));
    }
    let sequence = read(&[FIRST, &LAST[..LAST.len() - 1]].concat());
    assert_eq!(
        (found(&sequence), sequence.end),
        (vec![("/first", &b""[..])], Ending::More)
    );
}
