//! How long a request's content is.

use ringlane_protocol::Error::{ChunkedNotLast, CodingUnsupported, ContentLengthInvalid, ContentLengthRepeated};
use ringlane_protocol::Error::{ExpectationUnknown, MethodUnknown, TraceWithContent, TransferEncodingInHttp10};
use ringlane_protocol::Error::{HostMissing, TransferEncodingAndContentLength, TransferEncodingInvalid};
use ringlane_protocol::head::Framing;

use crate::support::{Refused, as_is, assert_refused, head, with_fields, with_fields_10, with_fields_12};

/// Section, field lines, framing.
const TAKEN: &[(&str, &[u8], Framing)] = &[
    ("RFC 9112 §6.3", b"", Framing::None),
    ("RFC 9110 §8.6", b"Content-Length: 0\r\n", Framing::None),
    ("RFC 9110 §8.6", b"Content-Length: 000\r\n", Framing::None),
    ("RFC 9110 §8.6", b"Content-Length: 1\r\n", Framing::Length(1)),
    ("RFC 9110 §8.6", b"content-length:42\r\n", Framing::Length(42)),
    ("RFC 9110 §8.6", b"CONTENT-LENGTH: \t42\t \r\n", Framing::Length(42)),
    ("RFC 9110 §8.6", b"Content-Length: 007\r\n", Framing::Length(7)),
    (
        "RFC 9110 §8.6",
        b"Content-Length: 18446744073709551615\r\n",
        Framing::Length(u64::MAX),
    ),
    ("RFC 9112 §6.1", b"Transfer-Encoding: chunked\r\n", Framing::Chunked),
    ("RFC 9112 §7", b"transfer-encoding:CHUNKED\r\n", Framing::Chunked),
    ("RFC 9112 §7", b"TRANSFER-ENCODING: \tChunked \r\n", Framing::Chunked),
];

#[test]
fn framing_is_told() {
    for &(section, fields, framing) in TAKEN {
        assert_eq!(head(&with_fields(fields)).framing(), framing, "{section}");
        assert_eq!(
            head(&with_fields(&[b"A: b\r\n", fields, b"C: d\r\n"].concat())).framing(),
            framing,
            "{section}"
        );
        assert_eq!(head(&with_fields_12(fields)).framing(), framing, "{section}");
        if framing != Framing::Chunked {
            assert_eq!(head(&with_fields_10(fields)).framing(), framing, "{section}");
        }
    }
}

#[test]
fn faulty_framing_is_refused() {
    const TABLE: &[Refused<'_>] = &[
        ("RFC 9110 §8.6", b"Content-Length:\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: \r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: +5\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: -5\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: -0\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: 0x5\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: 5a\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: a\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: 5 5\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: 5.0\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: 5e1\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: 5_0\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: \"5\"\r\n", ContentLengthInvalid),
        (
            "RFC 9110 §8.6",
            b"Content-Length: \xef\xbc\x95\r\n",
            ContentLengthInvalid,
        ),
        ("RFC 9110 §8.6", b"Content-Length: 5;a\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: \xa05\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: 5:\r\n", ContentLengthInvalid),
        ("RFC 9110 §8.6", b"Content-Length: 5/\r\n", ContentLengthInvalid),
        ("RFC 9112 §6.3", b"Content-Length: 5, 5\r\n", ContentLengthInvalid),
        ("RFC 9112 §6.3", b"Content-Length: 5,5\r\n", ContentLengthInvalid),
        ("RFC 9112 §6.3", b"Content-Length: 5, 6\r\n", ContentLengthInvalid),
        ("RFC 9112 §6.3", b"Content-Length: 5,\r\n", ContentLengthInvalid),
        (
            "RFC 9110 §8.6",
            b"Content-Length: 18446744073709551616\r\n",
            ContentLengthInvalid,
        ),
        (
            "RFC 9110 §8.6",
            b"Content-Length: 99999999999999999999999\r\n",
            ContentLengthInvalid,
        ),
        (
            "RFC 9112 §6.3",
            b"Content-Length: 5\r\nContent-Length: 5\r\n",
            ContentLengthRepeated,
        ),
        (
            "RFC 9112 §6.3",
            b"Content-Length: 5\r\nContent-Length: 6\r\n",
            ContentLengthRepeated,
        ),
        (
            "RFC 9112 §6.3",
            b"Content-Length: 0\r\nA: b\r\ncontent-length: 0\r\n",
            ContentLengthRepeated,
        ),
        (
            "RFC 9112 §6.3",
            b"Content-Length: 5\r\nContent-Length:\r\n",
            ContentLengthRepeated,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            TransferEncodingAndContentLength,
        ),
        (
            "RFC 9112 §6.1",
            b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            TransferEncodingAndContentLength,
        ),
        (
            "RFC 9112 §6.1",
            b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
            TransferEncodingAndContentLength,
        ),
        (
            "RFC 9112 §6.1",
            b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
            TransferEncodingAndContentLength,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
            ContentLengthInvalid,
        ),
        ("RFC 9112 §6.1", b"Transfer-Encoding:\r\n", TransferEncodingInvalid),
        ("RFC 9112 §6.1", b"Transfer-Encoding: ,\r\n", TransferEncodingInvalid),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked,\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: ,chunked\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: gzip,,chunked\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §7.1",
            b"Transfer-Encoding: chunked;a=b\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §7.1",
            b"Transfer-Encoding: chunked ; a\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §7.1",
            b"Transfer-Encoding: chunked;\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §7",
            b"Transfer-Encoding: \"chunked\"\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §7",
            b"Transfer-Encoding: chunked chunked\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §7",
            b"Transfer-Encoding: chunked\xff\r\n",
            TransferEncodingInvalid,
        ),
        (
            "RFC 9112 §7",
            b"Transfer-Encoding: [chunked]\r\n",
            TransferEncodingInvalid,
        ),
        ("RFC 9112 §7", b"Transfer-Encoding: ;a\r\n", TransferEncodingInvalid),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked, chunked\r\n",
            ChunkedNotLast,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
            ChunkedNotLast,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked, chunked, chunked\r\n",
            ChunkedNotLast,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked, gzip, chunked\r\n",
            ChunkedNotLast,
        ),
        ("RFC 9112 §6.3", b"Transfer-Encoding: chunked, gzip\r\n", ChunkedNotLast),
        (
            "RFC 9112 §6.3",
            b"Transfer-Encoding: chunked, identity\r\n",
            ChunkedNotLast,
        ),
        (
            "RFC 9112 §6.3",
            b"Transfer-Encoding: Chunked\r\ntransfer-encoding: gzip\r\n",
            ChunkedNotLast,
        ),
        ("RFC 9112 §6.1", b"Transfer-Encoding: gzip\r\n", CodingUnsupported),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: gzip, chunked\r\n",
            CodingUnsupported,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
            CodingUnsupported,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: deflate, gzip, chunked\r\n",
            CodingUnsupported,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: gzip;q=1, chunked\r\n",
            CodingUnsupported,
        ),
        ("RFC 9112 §6.1", b"Transfer-Encoding: identity\r\n", CodingUnsupported),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: identity, chunked\r\n",
            CodingUnsupported,
        ),
        ("RFC 9112 §6.1", b"Transfer-Encoding: xchunked\r\n", CodingUnsupported),
        ("RFC 9112 §6.1", b"Transfer-Encoding: chunke\r\n", CodingUnsupported),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunkedchunked\r\n",
            CodingUnsupported,
        ),
    ];
    assert_refused(TABLE, with_fields);
}

/// RFC 9112 §6.1: Transfer-Encoding in HTTP/1.0 is faulty, whatever it says.
#[test]
fn http_10_has_no_transfer_encoding() {
    const TABLE: &[Refused<'_>] = &[
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked\r\n",
            TransferEncodingInHttp10,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: gzip\r\n",
            TransferEncodingInHttp10,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: identity\r\n",
            TransferEncodingInHttp10,
        ),
        (
            "RFC 9112 §6.1",
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
            TransferEncodingInHttp10,
        ),
        ("RFC 9110 §8.6", b"Content-Length: 5,5\r\n", ContentLengthInvalid),
        (
            "RFC 9112 §6.3",
            b"Content-Length: 5\r\nContent-Length: 5\r\n",
            ContentLengthRepeated,
        ),
    ];
    assert_refused(TABLE, with_fields_10);
}

/// 400 wins over 501 and 417, whichever comes first in the head.
#[test]
fn framing_errors_win() {
    const TABLE: &[Refused<'_>] = &[
        (
            "RFC 9112 §6.1",
            b"BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            TransferEncodingAndContentLength,
        ),
        (
            "RFC 9112 §6.3",
            b"BREW / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
            ContentLengthInvalid,
        ),
        (
            "RFC 9112 §3.2",
            b"GET / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n",
            HostMissing,
        ),
        (
            "RFC 9112 §6.3",
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
            ChunkedNotLast,
        ),
        (
            "RFC 9110 §15.6.2",
            b"BREW / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            MethodUnknown,
        ),
        (
            "RFC 9112 §6.1",
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\nTransfer-Encoding: gzip\r\n\r\n",
            CodingUnsupported,
        ),
        (
            "RFC 9110 §10.1.1",
            b"GET / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
            ExpectationUnknown,
        ),
    ];
    assert_refused(TABLE, as_is);
}

/// RFC 9110 §9.3.8.
#[test]
fn trace_has_no_content() {
    const TABLE: &[Refused<'_>] = &[
        (
            "RFC 9110 §9.3.8",
            b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n",
            TraceWithContent,
        ),
        (
            "RFC 9110 §9.3.8",
            b"TRACE / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            TraceWithContent,
        ),
    ];
    assert_refused(TABLE, as_is);
    assert_eq!(
        head(b"TRACE / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").framing(),
        Framing::None
    );
}

/// RFC 9110 §5.1: a field is told by its whole name. These begin like one that matters, and are as long.
#[test]
fn other_names_do_not_frame() {
    const TABLE: &[&[u8]] = &[
        b"Hos_: @\r\n",
        b"Ex_ect: 200-ok\r\n",
        b"Connectio_: close, (\r\n",
        b"Content_Length: 5\r\n",
        b"Content-Lengtx: x\r\n",
        b"Content.Length: 5\r\nContent!Length: 6\r\n",
        b"Transfer_Encoding: chunked\r\n",
        b"Transfer-Encodinx: \r\n",
        b"#ontent-Length: 5\r\n",
    ];
    for fields in TABLE {
        let head = head(&with_fields(fields));
        assert_eq!(
            (head.framing(), head.keep_alive()),
            (Framing::None, true),
            "{}",
            fields.escape_ascii()
        );
    }
}

/// RFC 9110 §9.3.1: content has no meaning with these methods, but it is there and has to be framed.
#[test]
fn methods_do_not_change_framing() {
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "PUT", "PATCH"] {
        let input = format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n").into_bytes();
        assert_eq!(head(&input).framing(), Framing::Length(3));
        let input = format!("{method} / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n").into_bytes();
        assert_eq!(head(&input).framing(), Framing::Chunked);
    }
}
