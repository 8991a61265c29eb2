//! Bodies of a known length, and of none (RFC 9112 §6.2, §6.3).

use ringlane_protocol::Error;
use ringlane_protocol::body::{Decoder, Framing, Step};
use ringlane_protocol::fuzz::{Decoded, End};

use crate::support::{BODY_BYTES_MAX, decode_in_all_cuts};

#[test]
fn as_many_bytes_as_announced_are_data() {
    for length in 1..20 {
        let input = b"0\r\n\r\nGET / HTTP/1.1\r\n";
        let decoded = decode_in_all_cuts(input, Framing::Length(length), BODY_BYTES_MAX);
        let taken = length as usize;
        assert_eq!(
            decoded,
            Decoded {
                data: input[..taken].to_vec(),
                end: End::Done(taken)
            }
        );
        let decoded = decode_in_all_cuts(&input[..taken - 1], Framing::Length(length), BODY_BYTES_MAX);
        assert_eq!(
            decoded,
            Decoded {
                data: input[..taken - 1].to_vec(),
                end: End::More
            }
        );
    }
}

#[test]
fn no_content_is_done_at_once() {
    for framing in [Framing::None, Framing::Length(0)] {
        let mut decoder = Decoder::new(framing, 0).unwrap();
        assert!(decoder.is_done());
        assert_eq!(decoder.remaining(), Some(0));
        assert_eq!(
            decoder.decode(b"GET"),
            Ok(Step {
                consumed: 0,
                data: 0..0,
                done: true
            })
        );
        assert_eq!(
            decoder.decode(b""),
            Ok(Step {
                consumed: 0,
                data: 0..0,
                done: true
            })
        );
    }
}

#[test]
fn the_remaining_length_is_told() {
    let mut decoder = Decoder::new(Framing::Length(10), 10).unwrap();
    assert_eq!(decoder.remaining(), Some(10));
    assert_eq!(
        decoder.decode(b""),
        Ok(Step {
            consumed: 0,
            data: 0..0,
            done: false
        })
    );
    assert_eq!(
        decoder.decode(b"abc"),
        Ok(Step {
            consumed: 3,
            data: 0..3,
            done: false
        })
    );
    assert_eq!(decoder.remaining(), Some(7));
    assert_eq!(
        decoder.decode(b"defghijklm"),
        Ok(Step {
            consumed: 7,
            data: 0..7,
            done: true
        })
    );
    assert_eq!(decoder.remaining(), Some(0));
    assert_eq!(Decoder::new(Framing::Chunked, 10).unwrap().remaining(), None);
}

/// RFC 9110 §15.5.14, §10.1.1: known to be too large, it is refused before 100 Continue.
#[test]
fn an_announced_length_over_the_limit_is_refused_at_once() {
    assert!(Decoder::new(Framing::Length(100), 100).is_ok());
    assert_eq!(
        Decoder::new(Framing::Length(101), 100).unwrap_err(),
        Error::BodyTooLarge
    );
    assert_eq!(
        Decoder::new(Framing::Length(u64::MAX), u64::MAX - 1).unwrap_err(),
        Error::BodyTooLarge
    );
    assert!(Decoder::new(Framing::Length(u64::MAX), u64::MAX).is_ok());
}
