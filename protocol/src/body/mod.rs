//! Message bodies: how long they are, and the decoder that finds their data in place.

mod chunked;
mod trailer;

use core::ops::Range;

use crate::Error;
use chunked::Chunked;

/// How long a request's content is (RFC 9112 §6.3).
///
/// ```
/// use ringlane_protocol::{Limits, body::Framing, head};
///
/// let input = b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n";
/// let head = head::parse(input, &Limits::default()).unwrap().unwrap();
/// assert_eq!(head.framing(), Framing::Chunked);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is none: no framing field, or `Content-Length: 0`.
    None,
    /// As many bytes as Content-Length says (RFC 9112 §6.2). Never 0 in what a head says.
    Length(u64),
    /// Chunks up to the one of size 0, and trailers (RFC 9112 §7.1).
    Chunked,
}

/// Finds a body's data in the bytes that come after a head, however they are cut.
///
/// Chunk extensions and trailers are validated and dropped: at most 16 KiB of extensions and 8 KiB of trailers in one
/// body. RFC 9112 §7.1.1, §7.1.2 leave both to the recipient. A chunk has data, up to 16 digits of size and two line
/// ends, so that `n` bytes of data take less than `21 * n` bytes plus 25 KiB.
///
/// ```
/// use ringlane_protocol::body::{Decoder, Framing};
///
/// let mut input = &b"5\r\nhello\r\n7\r\n, world\r\n0\r\n\r\nGET /next"[..];
/// let mut decoder = Decoder::new(Framing::Chunked, 1024)?;
/// let mut body = Vec::new();
/// while !decoder.is_done() {
///     let step = decoder.decode(input)?;
///     body.extend_from_slice(&input[step.data]);
///     input = &input[step.consumed..];
/// }
/// assert_eq!(body, b"hello, world");
/// assert_eq!(input, b"GET /next");
/// # Ok::<(), ringlane_protocol::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Decoder(State);

#[derive(Clone, Debug)]
enum State {
    /// So many bytes are to come, at least one.
    Length(u64),
    Chunked(Chunked),
    Done,
    /// Every further call fails alike: nobody goes on behind a framing error by mistake.
    Failed(Error),
}

/// What one call of [`Decoder::decode`] found.
///
/// ```
/// use ringlane_protocol::body::{Decoder, Framing, Step};
///
/// let mut decoder = Decoder::new(Framing::Chunked, 1024)?;
/// assert_eq!(decoder.decode(b"5\r\nhel")?, Step { consumed: 6, data: 3..6, done: false });
/// # Ok::<(), ringlane_protocol::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Bytes of the input that are dealt with. If they are all and the body is not done, more input is needed.
    pub consumed: usize,
    /// Where in the consumed bytes body data lies; may be empty.
    pub data: Range<usize>,
    /// Whether the body is complete; what follows `consumed` is the next message.
    pub done: bool,
}

impl Decoder {
    /// A decoder for one body of at most `body_bytes_max` bytes of data.
    ///
    /// # Errors
    ///
    /// [`Error::BodyTooLarge`] if the length is known and over the limit, so that it can be answered before any
    /// `100 Continue` (RFC 9110 §10.1.1).
    pub fn new(framing: Framing, body_bytes_max: u64) -> Result<Self, Error> {
        Ok(Self(match framing {
            Framing::None | Framing::Length(0) => State::Done,
            Framing::Length(length) if length > body_bytes_max => return Err(Error::BodyTooLarge),
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(Chunked::new(body_bytes_max)),
        }))
    }

    /// Takes the next bytes of the body: framing bytes up to data, then the data that is there.
    ///
    /// The caller goes on with what follows [`Step::consumed`] until the body is done or the input is used up. Every
    /// call with input makes progress or says done.
    ///
    /// # Errors
    ///
    /// At the first byte that cannot belong to a valid body; from then on always the same error.
    pub fn decode(&mut self, input: &[u8]) -> Result<Step, Error> {
        match &mut self.0 {
            State::Done => Ok(Step {
                consumed: 0,
                data: 0..0,
                done: true,
            }),
            State::Failed(error) => Err(*error),
            State::Length(left) => {
                let taken = take(left, input);
                let done = *left == 0;
                if done {
                    self.0 = State::Done;
                }
                Ok(Step {
                    consumed: taken,
                    data: 0..taken,
                    done,
                })
            }
            State::Chunked(chunked) => match chunked.decode(input) {
                Ok(step) => {
                    if step.done {
                        self.0 = State::Done;
                    }
                    Ok(step)
                }
                Err(error) => {
                    self.0 = State::Failed(error);
                    Err(error)
                }
            },
        }
    }

    /// Whether the whole body was decoded.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.0, State::Done)
    }

    /// Bytes of data still to come, where that is known: with Content-Length, and when the body is done.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        match self.0 {
            State::Length(left) => Some(left),
            State::Done => Some(0),
            State::Chunked(_) | State::Failed(_) => None,
        }
    }
}

/// How many bytes of `input` belong to the `left` ones; these are then fewer.
fn take(left: &mut u64, input: &[u8]) -> usize {
    let taken = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
    *left -= taken as u64;
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decoder_is_small() {
        assert!(size_of::<Decoder>() <= 40, "{}", size_of::<Decoder>());
    }
}
