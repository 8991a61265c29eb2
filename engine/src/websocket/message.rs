//! What is sent and received: messages, their text, and the words with which a connection is closed.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use tungstenite::Utf8Bytes;
use tungstenite::protocol::CloseFrame;

/// A whole message (RFC 6455 §5.6). Pings, pongs and Close are not among them: they are seen to by the connection.
///
/// A clone shares the bytes, and a message may leave its core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// Text, which is valid UTF-8.
    Text(Text),
    /// Bytes of the application's own meaning.
    Binary(Bytes),
}

impl Message {
    /// The bytes, of text too.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Message::Text(text) => text.as_bytes(),
            Message::Binary(bytes) => bytes,
        }
    }

    pub(super) fn into_frame(self) -> tungstenite::Message {
        match self {
            Message::Text(Text(text)) => tungstenite::Message::Text(text),
            Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
        }
    }
}

impl From<Text> for Message {
    fn from(text: Text) -> Message {
        Message::Text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Message {
        Message::Text(text.into())
    }
}

impl From<&str> for Message {
    fn from(text: &str) -> Message {
        Message::Text(text.into())
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Message {
        Message::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Message {
        Message::Binary(bytes.into())
    }
}

/// A message's text: a string whose clones share their bytes.
///
/// ```
/// use ringlane::websocket::Text;
///
/// let text = Text::from("hello");
/// assert_eq!(text.to_uppercase(), "HELLO");
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Text(pub(super) Utf8Bytes);

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        self.0.as_str()
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(text.into())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.into())
    }
}

impl From<Text> for Bytes {
    fn from(text: Text) -> Bytes {
        text.0.into()
    }
}

impl fmt::Display for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, out)
    }
}

/// Why a connection is closed, as a number that may be sent (RFC 6455 §7.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: all is said.
    pub const NORMAL: CloseCode = CloseCode(1000);
    /// 1001: the server stops, or the page is left.
    pub const GOING_AWAY: CloseCode = CloseCode(1001);
    /// 1002: the peer has broken the protocol.
    pub const PROTOCOL_ERROR: CloseCode = CloseCode(1002);
    /// 1003: a kind of message that is not taken here, text or binary.
    pub const UNSUPPORTED: CloseCode = CloseCode(1003);
    /// 1007: a message that is not what its kind says, such as text that is not UTF-8.
    pub const INVALID_DATA: CloseCode = CloseCode(1007);
    /// 1008: what the peer did is not allowed here.
    pub const POLICY: CloseCode = CloseCode(1008);
    /// 1009: a message that is too large.
    pub const TOO_LARGE: CloseCode = CloseCode(1009);
    /// 1011: something went wrong on this side.
    pub const INTERNAL_ERROR: CloseCode = CloseCode(1011);
    /// 1013: too much to do; the peer may try again later.
    pub const TRY_LATER: CloseCode = CloseCode(1013);

    /// A code by its number; 3000 to 3999 are registered with IANA, 4000 to 4999 are the application's own. None for a number
    /// that may not be sent.
    ///
    /// ```
    /// use ringlane::websocket::CloseCode;
    ///
    /// assert_eq!(CloseCode::new(4711).map(CloseCode::number), Some(4711));
    /// assert_eq!(CloseCode::new(1006), None); // Means that there was no Close at all.
    /// ```
    pub fn new(number: u16) -> Option<CloseCode> {
        let code = tungstenite::protocol::frame::coding::CloseCode::from(number);
        code.is_allowed().then_some(CloseCode(number))
    }

    /// The number.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// The longest reason that a Close frame has room for, in bytes (RFC 6455 §5.5).
const REASON_BYTES_MAX: usize = 123;

/// What the peer said as it closed the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    /// Its code; none where it gave none, or one that may not be sent.
    pub code: Option<CloseCode>,
    /// Its reason, perhaps empty.
    pub reason: Text,
}

impl Close {
    pub(super) fn of(frame: Option<CloseFrame>) -> Close {
        match frame {
            Some(frame) => Close {
                code: CloseCode::new(frame.code.into()),
                reason: Text(frame.reason),
            },
            None => Close {
                code: None,
                reason: Text::default(),
            },
        }
    }
}

/// A Close frame; a reason that is too long is cut off between two characters.
pub(super) fn close_frame(code: CloseCode, reason: &str) -> CloseFrame {
    let mut end = reason.len().min(REASON_BYTES_MAX);
    while !reason.is_char_boundary(end) {
        end -= 1;
    }
    CloseFrame {
        code: code.0.into(),
        reason: reason[..end].into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6455 §7.4.1, §7.4.2; of the later entries of IANA's registry, 1014 is a gateway's and not taken.
    #[test]
    fn codes_that_may_be_sent_are_told_from_those_that_may_not() {
        for number in [1000, 1003, 1007, 1011, 1012, 1013, 3000, 3999, 4000, 4999] {
            assert_eq!(CloseCode::new(number).map(CloseCode::number), Some(number));
        }
        for number in [0, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2000, 2999, 5000, u16::MAX] {
            assert_eq!(CloseCode::new(number), None, "{number}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = close_frame(CloseCode::NORMAL, &"é".repeat(100));
        assert_eq!(frame.reason.as_str(), "é".repeat(61));
        assert_eq!(close_frame(CloseCode::NORMAL, "bye").reason.as_str(), "bye");
    }
}
