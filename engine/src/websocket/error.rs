//! Why a WebSocket connection came to a bad end.

use std::fmt;
use std::io;

use tungstenite::error::CapacityError;

use super::message::CloseCode;

/// What went wrong with a connection. It is over then; the peer has been told as far as that was possible.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The peer broke a rule of the protocol; it was sent Close 1002.
    Protocol(String),
    /// The peer sent text, or a reason for closing, that is not UTF-8; it was sent Close 1007.
    Utf8,
    /// The peer sent a frame or a message above this limit, in bytes; it was sent Close 1009.
    TooLarge(usize),
    /// The peer did not answer a ping in time; it was sent Close 1011.
    TimedOut,
    /// Nothing can be sent any more: one of the two sides has closed the connection, or it has ended.
    Closed,
    /// The connection broke.
    Io(io::Error),
}

impl Error {
    /// What the peer is told of it, if it is worth telling.
    pub(super) fn code(&self) -> Option<CloseCode> {
        match self {
            Error::Protocol(_) => Some(CloseCode::PROTOCOL_ERROR),
            Error::Utf8 => Some(CloseCode::INVALID_DATA),
            Error::TooLarge(_) => Some(CloseCode::TOO_LARGE),
            Error::TimedOut => Some(CloseCode::INTERNAL_ERROR),
            Error::Closed | Error::Io(_) => None,
        }
    }
}

impl From<tungstenite::Error> for Error {
    fn from(error: tungstenite::Error) -> Error {
        match error {
            tungstenite::Error::Io(error) => Error::Io(error),
            tungstenite::Error::Utf8(_) => Error::Utf8,
            tungstenite::Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => Error::TooLarge(max_size),
            tungstenite::Error::ConnectionClosed | tungstenite::Error::AlreadyClosed => Error::Closed,
            tungstenite::Error::Protocol(tungstenite::error::ProtocolError::SendAfterClosing) => Error::Closed,
            tungstenite::Error::Protocol(violation) => Error::Protocol(violation.to_string()),
            other => Error::Protocol(other.to_string()),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Protocol(violation) => write!(out, "the peer broke the WebSocket protocol: {violation}"),
            Error::Utf8 => out.write_str("the peer sent text that is not UTF-8"),
            Error::TooLarge(limit) => write!(out, "the peer sent more than {limit} bytes in one frame or message"),
            Error::TimedOut => out.write_str("the peer did not answer a ping in time"),
            Error::Closed => out.write_str("the WebSocket connection is closed"),
            Error::Io(error) => write!(out, "the connection broke: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io(error) => Some(error),
            Error::Protocol(_) | Error::Utf8 | Error::TooLarge(_) | Error::TimedOut | Error::Closed => None,
        }
    }
}
