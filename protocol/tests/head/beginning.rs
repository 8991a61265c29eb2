//! What the beginning of a head tells before the head is whole, or though it is broken.

use ringlane_protocol::head::{asks_with_head, is_blank};

/// RFC 9112 §2.2: empty lines before the request line are ignored, so that a message has not begun with them.
#[test]
fn empty_lines_are_not_the_beginning_of_a_request() {
    let table: [(&[u8], bool); 9] = [
        (b"", true),
        (b"\r", true),
        (b"\r\n", true),
        (b"\r\n\r", true),
        (b"\r\n\r\n", true),
        (b"\r\n\r\n\r", false),
        (b"\n", false),
        (b"\r\nG", false),
        (b"G", false),
    ];
    for (input, expected) in table {
        assert_eq!(is_blank(input), expected, "{}", input.escape_ascii());
    }
}

/// RFC 9110 §9.3.2: the answer to HEAD has no content, whatever is wrong with the request.
#[test]
fn a_broken_request_may_still_be_one_by_head() {
    let table: [(&[u8], bool); 10] = [
        (b"HEAD / HTTP/1.1\r\n\r\n", true),
        (b"HEAD / HTTP/1.1\r\nHost : x\r\n\r\n", true),
        (b"HEAD \x00", true),
        (b"\r\n\r\nHEAD /", true),
        (b"\r\n\r\n\r\nHEAD /", false),
        (b"HEAD", false),
        (b"HEADS / HTTP/1.1\r\n\r\n", false),
        (b"head / HTTP/1.1\r\n\r\n", false),
        (b"GET / HTTP/1.1\r\nHEAD: x\r\n\r\n", false),
        (b"", false),
    ];
    for (input, expected) in table {
        assert_eq!(asks_with_head(input), expected, "{}", input.escape_ascii());
    }
}
