//! Where messages end in what is received: between two of them a connection needs no memory for any.

use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::OpCode;

/// The longest header of a frame, in bytes (RFC 6455 §5.2).
const HEADER_BYTES_MAX: usize = 14;

/// Follows frames from header to header.
#[derive(Debug, Default)]
pub(super) struct Boundary {
    /// What has come of a header.
    header: [u8; HEADER_BYTES_MAX],
    header_bytes: usize,
    /// What is still to come of a payload.
    payload_bytes: u64,
    /// The last fragment of a message is still to come.
    is_fragmented: bool,
    /// There was a header that is none; nobody will read on.
    is_lost: bool,
}

impl Boundary {
    pub(super) fn is_between_messages(&self) -> bool {
        self.header_bytes == 0 && self.payload_bytes == 0 && !self.is_fragmented && !self.is_lost
    }

    /// These bytes were received.
    pub(super) fn pass(&mut self, mut bytes: &[u8]) {
        while let Some((&first, rest)) = bytes.split_first()
            && !self.is_lost
        {
            if self.payload_bytes > 0 {
                let count = self.payload_bytes.min(bytes.len() as u64);
                self.payload_bytes -= count;
                bytes = &bytes[count as usize..];
            } else {
                self.pass_header(first);
                bytes = rest;
            }
        }
    }

    fn pass_header(&mut self, byte: u8) {
        self.header[self.header_bytes] = byte;
        self.header_bytes += 1;
        match FrameHeader::parse(&mut Cursor::new(&self.header[..self.header_bytes])) {
            Ok(None) => self.is_lost = self.header_bytes == HEADER_BYTES_MAX,
            Ok(Some((header, length))) => {
                (self.header_bytes, self.payload_bytes) = (0, length);
                if matches!(header.opcode, OpCode::Data(_)) {
                    self.is_fragmented = !header.is_final;
                }
            }
            Err(_) => self.is_lost = true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Masked frames, each with whether a message has ended with it: a long one, an empty one, a ping amid fragments, and one
    /// whose length is written longer than it needs to be.
    #[test]
    fn messages_end_where_they_end_however_the_bytes_are_cut() {
        let long = [&[0x82, 0xfe, 1, 0, 1, 2, 3, 4][..], &[7; 256]].concat();
        let frames: [(&[u8], bool); 7] = [
            (&long, true),
            (&[0x81, 0x80, 1, 2, 3, 4], true),
            (&[0x01, 0x81, 1, 2, 3, 4, 5], false),
            (&[0x89, 0x80, 1, 2, 3, 4], false),
            (&[0x80, 0x82, 1, 2, 3, 4, 5, 6], true),
            (&[0x8a, 0x80, 1, 2, 3, 4], true),
            (&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 3, 4, 5], true),
        ];
        for size in 1..=long.len() {
            let mut boundary = Boundary::default();
            for (frame, ends) in frames {
                let last = frame.len() - 1;
                for piece in frame[..last].chunks(size) {
                    boundary.pass(piece);
                    assert!(!boundary.is_between_messages());
                }
                boundary.pass(&frame[last..]);
                assert_eq!(boundary.is_between_messages(), ends);
            }
        }
    }

    #[test]
    fn behind_what_is_no_frame_nothing_ends() {
        let mut boundary = Boundary::default();
        boundary.pass(&[0x83, 0x80, 1, 2, 3, 4, 0x81, 0x80, 1, 2, 3, 4]);
        assert!(!boundary.is_between_messages());
    }
}
