//! The chunked coding.

use ringlane_protocol::Error::{self, BareCr, BareLf, ChunkEndMissing, ChunkExtensionInvalid, ChunkSizeInvalid};
use ringlane_protocol::Error::{FieldNameInvalid, FieldValueInvalid, ObsFold, SpaceBeforeColon, TrailerForbidden};
use ringlane_protocol::fuzz::End;

use crate::support::{BODY_BYTES_MAX, decode_chunked};

/// Section, a whole body, its data.
const TAKEN: &[(&str, &[u8], &[u8])] = &[
    ("RFC 9112 §7.1", b"0\r\n\r\n", b""),
    ("RFC 9112 §7.1", b"1\r\na\r\n0\r\n\r\n", b"a"),
    (
        "RFC 9112 §7.1",
        b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\n",
        b"hello, world",
    ),
    ("RFC 9112 §7.1", b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    ("RFC 9112 §7.1", b"a\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    (
        "RFC 9112 §7.1",
        b"1A\r\nabcdefghijklmnopqrstuvwxyz\r\n0\r\n\r\n",
        b"abcdefghijklmnopqrstuvwxyz",
    ),
    ("RFC 9112 §7.1", b"000003\r\nabc\r\n000\r\n\r\n", b"abc"),
    (
        "RFC 9112 §7.1",
        b"0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n",
        b"abc",
    ),
    (
        "RFC 9112 §7.1",
        b"9\r\n\r\n0\r\n\r\n\r\n\r\n0\r\n\r\n",
        b"\r\n0\r\n\r\n\r\n",
    ),
    ("RFC 9112 §7.1", b"3\r\n\0\xff\n\r\n0\r\n\r\n", b"\0\xff\n"),
    ("RFC 9112 §7.1.1", b"1;a\r\nb\r\n0\r\n\r\n", b"b"),
    ("RFC 9112 §7.1.1", b"1;a=b\r\nc\r\n0\r\n\r\n", b"c"),
    ("RFC 9112 §7.1.1", b"1;a;b=c;d\r\ne\r\n0;f=g\r\n\r\n", b"e"),
    ("RFC 9112 §7.1.1", b"1 ; a = b ; c\r\nd\r\n0\r\n\r\n", b"d"),
    ("RFC 9112 §7.1.1", b"1\t;\ta\t=\t\"b\"\t;\tc\r\nd\r\n0\r\n\r\n", b"d"),
    ("RFC 9112 §7.1.1", b"1;a=\"b;c=d, \t\x80\"\r\ne\r\n0\r\n\r\n", b"e"),
    ("RFC 9112 §7.1.1", b"1;a=\"\"\r\nb\r\n0\r\n\r\n", b"b"),
    ("RFC 9110 §5.6.4", b"1;a=\"\\\"\\\\\\b\"\r\nc\r\n0\r\n\r\n", b"c"),
    ("RFC 9110 §5.6.2", b"1;!#$%&'*+-.^_`|~=0aZ\r\nb\r\n0\r\n\r\n", b"b"),
    ("RFC 9112 §7.1.2", b"0\r\nA: b\r\n\r\n", b""),
    (
        "RFC 9112 §7.1.2",
        b"1\r\na\r\n0\r\nA: b\r\nC:d\r\nE:\r\nF: \t \r\n\r\n",
        b"a",
    ),
    ("RFC 9112 §7.1.2", b"0\r\nA: b c:d\t\xff\r\n\r\n", b""),
    ("RFC 9112 §7.1.2", b"0\r\n!#$%&'*+-.^_`|~09: a\r\n\r\n", b""),
    (
        "RFC 9110 §6.5.1",
        b"0\r\nContent-Lengths: 1\r\nHos: a\r\nHostx: b\r\nT: c\r\nTea: d\r\n\r\n",
        b"",
    ),
    (
        "RFC 9110 §6.5.1",
        b"0\r\nContent-MD5: a\r\nServer-Timing: b\r\n\r\n",
        b"",
    ),
];

#[test]
fn valid_bodies_are_decoded() {
    for &(section, input, data) in TAKEN {
        let decoded = decode_chunked(input, BODY_BYTES_MAX);
        assert_eq!(
            (&decoded.data[..], decoded.end),
            (data, End::Done(input.len())),
            "{section}"
        );
        // What follows is the next message's, whatever it is.
        let longer = [input, b"\r\nGET / HTTP/1.1\r\n"].concat();
        assert_eq!(decode_chunked(&longer, BODY_BYTES_MAX), decoded, "{section}");
        for end in 0..input.len() {
            assert_eq!(
                decode_chunked(&input[..end], BODY_BYTES_MAX).end,
                End::More,
                "{section}: cut at {end}"
            );
        }
    }
}

/// Every row is refused with its error, after the data that is before it.
fn assert_refused(table: &[(&str, &[u8], &[u8], Error)]) {
    for &(section, input, data, error) in table {
        let decoded = decode_chunked(input, BODY_BYTES_MAX);
        assert_eq!(
            (&decoded.data[..], decoded.end),
            (data, End::Refused(error)),
            "{section}: {}",
            input.escape_ascii()
        );
    }
}

#[test]
fn malformed_sizes_are_refused() {
    assert_refused(&[
        ("RFC 9112 §7.1", b"\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"g\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"1g\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"0x1\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"+1\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"-1\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"1_0\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"1.0\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"1,1\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b" 1\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"\t1\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b";a\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"\"1\"\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"1\0\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        (
            "RFC 9112 §7.1",
            b"\xef\xbc\x91\r\na\r\n0\r\n\r\n",
            b"",
            ChunkSizeInvalid,
        ),
        ("RFC 9112 §7.1", b"1\x0b\r\na\r\n0\r\n\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"00000000000000001\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"10000000000000000\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"fffffffffffffffff\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"GET / HTTP/1.1\r\n", b"", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"1\r\na\r\n\r\n0\r\n\r\n", b"a", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"1\r\na\r\nx", b"a", ChunkSizeInvalid),
        ("RFC 9112 §7.1", b"1 \r\na\r\n0\r\n\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1", b"1 1\r\na\r\n0\r\n\r\n", b"", ChunkExtensionInvalid),
    ]);
}

#[test]
fn broken_line_ends_are_refused() {
    assert_refused(&[
        ("RFC 9112 §7.1", b"1\na\r\n0\r\n\r\n", b"", BareLf),
        ("RFC 9112 §7.1", b"\n", b"", BareLf),
        ("RFC 9112 §7.1", b"1\ra\r\n0\r\n\r\n", b"", BareCr),
        ("RFC 9112 §7.1", b"1\r\r\na\r\n0\r\n\r\n", b"", BareCr),
        ("RFC 9112 §7.1", b"0\n\n", b"", BareLf),
        ("RFC 9112 §7.1", b"0\r\n\n", b"", BareLf),
        ("RFC 9112 §7.1", b"0\r\n\r\r\n", b"", BareCr),
        ("RFC 9112 §7.1", b"0\r\n\rGET", b"", BareCr),
        ("RFC 9112 §7.1", b"1;a\na\r\n", b"", BareLf),
        ("RFC 9112 §7.1", b"1;a\ra\r\n", b"", BareCr),
        ("RFC 9112 §7.1", b"1;a=\"\n\"\r\n", b"", BareLf),
        ("RFC 9112 §7.1", b"1;\na\r\n", b"", BareLf),
        ("RFC 9112 §7.1", b"1 \na\r\n", b"", BareLf),
        ("RFC 9112 §7.1", b"1\r\na0\r\n\r\n", b"a", ChunkEndMissing),
        ("RFC 9112 §7.1", b"1\r\na\n0\r\n\r\n", b"a", ChunkEndMissing),
        ("RFC 9112 §7.1", b"1\r\na\r0\r\n\r\n", b"a", ChunkEndMissing),
        ("RFC 9112 §7.1", b"1\r\na\n\r0\r\n\r\n", b"a", ChunkEndMissing),
        ("RFC 9112 §7.1", b"1\r\nab\r\n0\r\n\r\n", b"a", ChunkEndMissing),
        ("RFC 9112 §7.1", b"3\r\nab\r\n0\r\n\r\n", b"ab\r", ChunkEndMissing),
        ("RFC 9112 §7.1", b"1\r\na \r\n0\r\n\r\n", b"a", ChunkEndMissing),
    ]);
}

#[test]
fn malformed_extensions_are_refused() {
    assert_refused(&[
        ("RFC 9112 §7.1.1", b"1;\r\na\r\n0\r\n\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;;a\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a;\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1; \r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a \r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=b \r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=\"b\" \r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a b\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;=b\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=;b\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a==b\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=b=c\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=b c\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=\"b\"c\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=b\"c\"\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;\"a\"=b\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a,b\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a\0\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a\x0b=b\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"1;a=\x80\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9110 §5.6.4", b"1;a=\"\0\"\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9110 §5.6.4", b"1;a=\"\x7f\"\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9110 §5.6.4", b"1;a=\"\\\0\"\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9110 §5.6.4", b"1;a=\"b\r\nc\"\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9110 §5.6.4", b"1;a=\"\\\r\n\"\r\n", b"", ChunkExtensionInvalid),
        ("RFC 9112 §7.1.1", b"0;\r\n\r\n", b"", ChunkExtensionInvalid),
    ]);
}

#[test]
fn malformed_trailers_are_refused() {
    assert_refused(&[
        ("RFC 9112 §5.1", b"0\r\nA : b\r\n\r\n", b"", SpaceBeforeColon),
        ("RFC 9112 §5.1", b"0\r\nA\t: b\r\n\r\n", b"", SpaceBeforeColon),
        ("RFC 9110 §5.1", b"0\r\n: b\r\n\r\n", b"", FieldNameInvalid),
        ("RFC 9110 §5.1", b"0\r\nA\r\n\r\n", b"", FieldNameInvalid),
        ("RFC 9110 §5.1", b"0\r\nA(: b\r\n\r\n", b"", FieldNameInvalid),
        ("RFC 9110 §5.1", b"0\r\nA\0: b\r\n\r\n", b"", FieldNameInvalid),
        ("RFC 9110 §5.1", b"0\r\n\xc3\xa9: b\r\n\r\n", b"", FieldNameInvalid),
        ("RFC 9110 §5.5", b"0\r\nA: b\0\r\n\r\n", b"", FieldValueInvalid),
        ("RFC 9110 §5.5", b"0\r\nA: b\x7f\r\n\r\n", b"", FieldValueInvalid),
        ("RFC 9110 §5.5", b"0\r\nA: \x0bb\r\n\r\n", b"", FieldValueInvalid),
        ("RFC 9112 §5.2", b"0\r\n A: b\r\n\r\n", b"", ObsFold),
        ("RFC 9112 §5.2", b"0\r\nA: b\r\n c\r\n\r\n", b"", ObsFold),
        ("RFC 9112 §5.2", b"0\r\nA: b\r\n\tc\r\n\r\n", b"", ObsFold),
        ("RFC 9112 §2.2", b"0\r\nA: b\n\r\n", b"", BareLf),
        ("RFC 9112 §2.2", b"0\r\nA\n\r\n", b"", BareLf),
        ("RFC 9112 §2.2", b"0\r\nA: b\r\n\n", b"", BareLf),
        ("RFC 9112 §2.2", b"0\r\nA: b\rc\r\n\r\n", b"", BareCr),
        ("RFC 9112 §2.2", b"0\r\nA: b\r\n\rc", b"", BareCr),
        (
            "RFC 9110 §6.5.1",
            b"0\r\nContent-Length: 5\r\n\r\n",
            b"",
            TrailerForbidden,
        ),
        (
            "RFC 9110 §6.5.1",
            b"0\r\nA: b\r\ncontent-length:\r\n\r\n",
            b"",
            TrailerForbidden,
        ),
        (
            "RFC 9110 §6.5.1",
            b"0\r\nTRANSFER-ENCODING: chunked\r\n\r\n",
            b"",
            TrailerForbidden,
        ),
        (
            "RFC 9110 §6.5.1",
            b"1\r\na\r\n0\r\nHost: a\r\n\r\n",
            b"a",
            TrailerForbidden,
        ),
        (
            "RFC 9110 §6.5.1",
            b"0\r\nConnection: close\r\n\r\n",
            b"",
            TrailerForbidden,
        ),
        ("RFC 9110 §6.5.1", b"0\r\nUpgrade: a\r\n\r\n", b"", TrailerForbidden),
        (
            "RFC 9110 §6.5.1",
            b"0\r\nExpect: 100-continue\r\n\r\n",
            b"",
            TrailerForbidden,
        ),
        ("RFC 9110 §6.5.1", b"0\r\nTE: trailers\r\n\r\n", b"", TrailerForbidden),
        ("RFC 9110 §6.5.1", b"0\r\nTrailer: a\r\n\r\n", b"", TrailerForbidden),
        ("RFC 9110 §6.5.1", b"0\r\nGET / HTTP/1.1\r\n\r\n", b"", SpaceBeforeColon),
    ]);
}
