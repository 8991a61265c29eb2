//! The limits of a chunked body, each reached and each passed by one.

use ringlane_protocol::Error::{self, BodyTooLarge, ChunkExtensionsTooLong, TrailersTooLarge};
use ringlane_protocol::fuzz::End;

use crate::support::{BODY_BYTES_MAX, decode_chunked};

fn assert_taken(input: &[u8], body_bytes_max: u64) {
    assert_eq!(decode_chunked(input, body_bytes_max).end, End::Done(input.len()));
}

fn assert_refused(input: &[u8], body_bytes_max: u64, error: Error) {
    assert_eq!(decode_chunked(input, body_bytes_max).end, End::Refused(error));
}

/// RFC 9110 §15.5.14: 413, before any data of the chunk that is too much.
#[test]
fn body_limit() {
    assert_taken(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5);
    assert_refused(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 4, BodyTooLarge);
    assert_eq!(decode_chunked(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 4).data, b"abc");
    assert_refused(b"6\r\n", 5, BodyTooLarge);
    assert_taken(b"0\r\n\r\n", 0);
    assert_refused(b"1\r\n", 0, BodyTooLarge);
    assert_refused(b"FFFFFFFFFFFFFFFF\r\n", BODY_BYTES_MAX, BodyTooLarge);
    assert_eq!(decode_chunked(b"FFFFFFFFFFFFFFFF\r\na", u64::MAX).end, End::More);
    assert_refused(b"1\r\na\r\nFFFFFFFFFFFFFFFF\r\n", u64::MAX, BodyTooLarge);
}

/// RFC 9112 §7.1.1: 16 KiB of extensions, in one chunk or in many.
#[test]
fn extensions_limit() {
    let one = |len: usize| format!("1;{}\r\na\r\n0\r\n\r\n", "b".repeat(len - 1)).into_bytes();
    assert_taken(&one(16 * 1024), BODY_BYTES_MAX);
    assert_refused(&one(16 * 1024 + 1), BODY_BYTES_MAX, ChunkExtensionsTooLong);
    let many = |count: usize| format!("{}0\r\n\r\n", "1;b=cdefg\r\na\r\n".repeat(count)).into_bytes();
    assert_taken(&many(2 * 1024), BODY_BYTES_MAX);
    assert_refused(&many(2 * 1024 + 1), BODY_BYTES_MAX, ChunkExtensionsTooLong);
    let spaces = [b"1", &[b' '; 16 * 1024 + 1][..]].concat();
    assert_refused(&spaces, BODY_BYTES_MAX, ChunkExtensionsTooLong);
}

/// RFC 6585 §5: 431; 8 KiB of trailers, the final CRLF included.
#[test]
fn trailers_limit() {
    let one = |len: usize| format!("0\r\nA:{}\r\n\r\n", "b".repeat(len - 6)).into_bytes();
    assert_taken(&one(8 * 1024), BODY_BYTES_MAX);
    assert_refused(&one(8 * 1024 + 1), BODY_BYTES_MAX, TrailersTooLarge);
    let many = |count: usize| format!("0\r\n{}A:bc\r\n\r\n", "A:bcde\r\n".repeat(count)).into_bytes();
    assert_taken(&many(1023), BODY_BYTES_MAX);
    assert_refused(&many(1024), BODY_BYTES_MAX, TrailersTooLarge);
    let name = [b"0\r\n", &[b'a'; 8 * 1024 + 1][..]].concat();
    assert_refused(&name, BODY_BYTES_MAX, TrailersTooLarge);
}

/// What a client can have the server read around the data is bounded: zeros in front of sizes, extensions, trailers.
#[test]
fn framing_limit() {
    let first = format!("0000000000000001;{}\r\na\r\n", "b".repeat(16 * 1024 - 1));
    let others = "0000000000000001\r\na\r\n".repeat(99);
    let end = format!("0000000000000000\r\nA:{}\r\n\r\n", "b".repeat(8 * 1024 - 6));
    let longest = format!("{first}{others}{end}");
    assert_eq!(longest.len(), 100 * 21 + 16 * 1024 + 8 * 1024 + 18);
    assert_taken(longest.as_bytes(), 100);
    assert_refused(longest.as_bytes(), 99, BodyTooLarge);
}
