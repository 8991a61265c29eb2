//! Field lines, whatever they mean.

use ringlane_protocol::Error::{BareCr, BareLf, FieldNameInvalid, FieldValueInvalid, ObsFold};
use ringlane_protocol::Error::{SpaceBeforeColon, SpaceBeforeFields, TransferEncodingInvalid};

use crate::support::{Refused, as_is, assert_refused, head, parse, with_fields};

/// Section, line, name and value.
const TAKEN: &[(&str, &[u8], &str, &[u8])] = &[
    ("RFC 9112 §5", b"A: b", "A", b"b"),
    ("RFC 9112 §5", b"A:b", "A", b"b"),
    ("RFC 9112 §5", b"A:", "A", b""),
    ("RFC 9112 §5", b"A: ", "A", b""),
    ("RFC 9112 §5", b"A: \t \t", "A", b""),
    ("RFC 9112 §5.1", b"A: \t b \t ", "A", b"b"),
    ("RFC 9110 §5.5", b"A: b  c\td", "A", b"b  c\td"),
    ("RFC 9110 §5.5", b"A: b:c", "A", b"b:c"),
    ("RFC 9110 §5.5", b"A::", "A", b":"),
    ("RFC 9110 §5.5", b"A: \"b, c\"; d=\\", "A", b"\"b, c\"; d=\\"),
    ("RFC 9110 §5.5", b"A: \x80\xff", "A", b"\x80\xff"),
    ("RFC 9110 §5.5", b"A: caf\xc3\xa9", "A", b"caf\xc3\xa9"),
    (
        "RFC 9110 §5.5",
        b"A: !\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
        "A",
        b"!\"#$%&'()*+,-./09:;<=>?@AZ[\\]^_`az{|}~",
    ),
    (
        "RFC 9110 §5.6.2",
        b"!#$%&'*+-.^_`|~09azAZ: b",
        "!#$%&'*+-.^_`|~09azAZ",
        b"b",
    ),
    ("RFC 9110 §5.1", b"x-unknown: b", "x-unknown", b"b"),
    ("RFC 9110 §5.1", b"Hosts: b", "Hosts", b"b"),
    ("RFC 9110 §5.1", b"Content-Lengths: b", "Content-Lengths", b"b"),
    ("RFC 9110 §5.1", b"Content_Length: b", "Content_Length", b"b"),
    ("RFC 9110 §5.1", b"Transfer.Encoding: b", "Transfer.Encoding", b"b"),
];

#[test]
fn valid_fields_are_taken() {
    for &(section, line, name, value) in TAKEN {
        let input = with_fields(&[line, b"\r\n"].concat());
        let fields: Vec<_> = head(&input).fields(&input).collect();
        assert_eq!(fields, [("Host", &b"example.com"[..]), (name, value)], "{section}");
    }
}

/// RFC 9110 §5.2: lines of one name keep their order; §5.1: names are case-insensitive.
#[test]
fn fields_are_found_by_name() {
    let input = with_fields(b"A: 1\r\nb: 2\r\na: 3\r\nB-C: 4\r\n");
    let head = head(&input);
    let values: Vec<_> = head
        .fields(&input)
        .filter(|(name, _)| name.eq_ignore_ascii_case("a"))
        .map(|(_, v)| v)
        .collect();
    assert_eq!(values, [b"1", b"3"]);
    assert_eq!(head.field(&input, "A"), Some(&b"1"[..]));
    assert_eq!(head.field(&input, "a"), Some(&b"1"[..]));
    assert_eq!(head.field(&input, "B"), Some(&b"2"[..]));
    assert_eq!(head.field(&input, "b-C"), Some(&b"4"[..]));
    assert_eq!(head.field(&input, "c"), None);
    assert_eq!(head.field(&input, ""), None);
}

#[test]
fn malformed_fields_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9112 §5.1", b"A : b\r\n", SpaceBeforeColon),
        ("RFC 9112 §5.1", b"A\t: b\r\n", SpaceBeforeColon),
        ("RFC 9112 §5.1", b"Content-Length : 5\r\n", SpaceBeforeColon),
        ("RFC 9112 §5.1", b"Transfer-Encoding : chunked\r\n", SpaceBeforeColon),
        ("RFC 9112 §5.1", b"A B: c\r\n", SpaceBeforeColon),
        ("RFC 9110 §5.1", b": b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b":\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A=b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A(: b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"\"A\": b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A/B: c\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A@B: c\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A\0: b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"\0A: b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A\x7f: b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A\x0b: b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"A\xc3\xa9: b\r\n", FieldNameInvalid),
        ("RFC 9110 §5.1", b"GET / HTTP/1.1\r\n", SpaceBeforeColon),
        ("RFC 9110 §5.5", b"A: \0\r\n", FieldValueInvalid),
        ("RFC 9110 §5.5", b"A: b\0c\r\n", FieldValueInvalid),
        ("RFC 9110 §5.5", b"A: b\x01\r\n", FieldValueInvalid),
        ("RFC 9110 §5.5", b"A: b\x08c\r\n", FieldValueInvalid),
        ("RFC 9110 §5.5", b"A: b\x0bc\r\n", FieldValueInvalid),
        ("RFC 9110 §5.5", b"A: b\x0cc\r\n", FieldValueInvalid),
        ("RFC 9110 §5.5", b"A: b\x1bc\r\n", FieldValueInvalid),
        ("RFC 9110 §5.5", b"A: b\x1fc\r\n", FieldValueInvalid),
        ("RFC 9110 §5.5", b"A: b\x7fc\r\n", FieldValueInvalid),
        (
            "RFC 9110 §5.5",
            b"Transfer-Encoding: \x0bchunked\r\n",
            FieldValueInvalid,
        ),
        ("RFC 9112 §5.2", b"A: b\r\n c\r\n", ObsFold),
        ("RFC 9112 §5.2", b"A: b\r\n\tc\r\n", ObsFold),
        ("RFC 9112 §5.2", b"A:\r\n b\r\n", ObsFold),
        ("RFC 9112 §5.2", b"A: b\r\n \r\n", ObsFold),
        ("RFC 9112 §5.2", b"A: b\r\n : c\r\n", ObsFold),
        // Refused before the fold is seen.
        (
            "RFC 9112 §5.2",
            b"Transfer-Encoding:\r\n chunked\r\n",
            TransferEncodingInvalid,
        ),
        ("RFC 9112 §2.2", b"A: b\n", BareLf),
        ("RFC 9112 §2.2", b"A: b\nC: d\r\n", BareLf),
        ("RFC 9112 §2.2", b"A:\n", BareLf),
        ("RFC 9112 §2.2", b"A\n", BareLf),
        ("RFC 9112 §2.2", b"\n", BareLf),
        ("RFC 9112 §2.2", b"A: b\n\r\n", BareLf),
        ("RFC 9112 §2.2", b"A: b\rC: d\r\n", BareCr),
        ("RFC 9112 §2.2", b"A: b\r\r\n", BareCr),
        ("RFC 9112 §2.2", b"A:\rb\r\n", BareCr),
        ("RFC 9112 §2.2", b"A\r: b\r\n", BareCr),
        ("RFC 9112 §2.2", b"\rA: b\r\n", BareCr),
    ];
    assert_refused(TABLE, with_fields);
}

#[test]
fn malformed_starts_and_ends_of_fields_are_refused() {
    const TABLE: &[Refused<'_>] = &[
        (
            "RFC 9112 §2.2",
            b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
            SpaceBeforeFields,
        ),
        (
            "RFC 9112 §2.2",
            b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
            SpaceBeforeFields,
        ),
        (
            "RFC 9112 §2.2",
            b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n",
            SpaceBeforeFields,
        ),
        ("RFC 9112 §2.2", b"GET / HTTP/1.0\r\n \r\n\r\n", SpaceBeforeFields),
        ("RFC 9112 §2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\n", BareLf),
        ("RFC 9112 §2.2", b"GET / HTTP/1.1\r\nHost: a\n\r\n", BareLf),
        ("RFC 9112 §2.2", b"GET / HTTP/1.1\r\nHost: a\n\n", BareLf),
        ("RFC 9112 §2.2", b"GET / HTTP/1.1\nHost: a\r\n\r\n", BareLf),
        ("RFC 9112 §2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", BareCr),
        ("RFC 9112 §2.2", b"GET / HTTP/1.1\r\nHost: a\r\n\rX", BareCr),
    ];
    assert_refused(TABLE, as_is);
}

/// A head without fields, and one with bytes of the next message behind it.
#[test]
fn heads_end_with_the_first_empty_line() {
    assert_eq!(
        head(b"GET / HTTP/1.0\r\n\r\n")
            .fields(b"GET / HTTP/1.0\r\n\r\n")
            .count(),
        0
    );
    let pipelined = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: b\r\n\r\n";
    let first = parse(pipelined).unwrap().unwrap();
    assert_eq!((first.len(), first.path(pipelined)), (28, "/1"));
    assert_eq!(first.fields(pipelined).count(), 1);
    let second = head(&pipelined[first.len()..]);
    assert_eq!(second.path(&pipelined[first.len()..]), "/2");
}
