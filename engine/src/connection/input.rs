//! What a connection has received and not yet used: whole buffers' views, and a head that spans several.

use std::collections::VecDeque;
use std::ops::Range;

use ringlane_pool::View;
use ringlane_protocol::body::Decoder;
use ringlane_protocol::head::{self, Head};
use ringlane_protocol::{Error, Limits};

use crate::chunk::Chunk;
use crate::supply::Supply;

/// Up to this length the beginning of a head is parsed with each piece that comes. From here on it is only when there is a
/// new line end, and each time that it has doubled: a head that comes byte by byte would cost the square of its length.
const PROMPT_BYTES: usize = 512;

/// Received bytes in order: first `partial`, then `first`, then `further`. No piece is empty.
#[derive(Default)]
pub(super) struct Input {
    /// What most requests lie in is at hand, and not in a queue.
    first: Option<View>,
    /// Only behind a first piece.
    further: VecDeque<View>,
    /// The beginning of a head whose end has not come, copied together so that its buffers are free again.
    partial: Vec<u8>,
    /// So much of `partial` has been parsed.
    parsed: usize,
}

/// Why there is no head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeadError {
    /// A rule is broken.
    Invalid(Error),
    /// It spans buffers, and the core has no memory left for that.
    NoMemory,
}

impl From<Error> for HeadError {
    fn from(error: Error) -> HeadError {
        HeadError::Invalid(error)
    }
}

impl Input {
    #[inline]
    pub(super) fn push(&mut self, piece: View) {
        debug_assert!(!piece.is_empty());
        if self.first.is_none() {
            debug_assert!(self.further.is_empty());
            self.first = Some(piece);
        } else {
            self.further.push_back(piece);
        }
    }

    #[inline]
    pub(super) fn pop(&mut self) -> Option<View> {
        let next = if self.further.is_empty() {
            None
        } else {
            self.further.pop_front()
        };
        std::mem::replace(&mut self.first, next)
    }

    /// How many pooled buffers it holds, at the most.
    pub(super) fn buffers(&self) -> usize {
        usize::from(self.first.is_some()) + self.further.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none() && self.partial.is_empty()
    }

    /// Whether all that has come has been looked at: there is no head before more comes.
    #[inline]
    pub(super) fn is_exhausted(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn clear(&mut self, supply: &mut Supply) {
        self.first = None;
        self.further.clear();
        self.take_partial(supply);
    }

    fn take_partial(&mut self, supply: &mut Supply) -> Vec<u8> {
        supply.give_head_bytes_back(self.partial.len());
        self.parsed = 0;
        std::mem::take(&mut self.partial)
    }

    /// Whether no request has begun: nothing is here, or empty lines that are ignored.
    #[inline]
    pub(super) fn is_blank(&self) -> bool {
        self.first.is_none() && (self.partial.is_empty() || head::is_blank(&self.partial))
    }

    /// Whether the head that is here, or begins here, asks with HEAD.
    pub(super) fn asks_with_head(&self) -> bool {
        let beginning = match &self.first {
            Some(piece) if self.partial.is_empty() => piece,
            _ => &self.partial[..],
        };
        head::asks_with_head(beginning)
    }

    /// Takes the next head and its bytes, where it lies whole within one buffer and is plainly valid: it is not copied.
    /// Otherwise [`Input::take_head`] knows more.
    #[inline(always)]
    pub(super) fn take_plain_head(&mut self, limits: &Limits) -> Option<(Head, View)> {
        if !self.partial.is_empty() {
            return None;
        }
        let piece = self.first.as_mut()?;
        let head = head::parse_plain(piece, limits)?;
        let bytes = if piece.len() > head.len() {
            piece.split_to(head.len())
        } else {
            self.pop()?
        };
        Some((head, bytes))
    }

    /// Takes the next head and its bytes, where it is complete. One that is refused stays, and is what the input begins with.
    pub(super) fn take_head(
        &mut self,
        limits: &Limits,
        supply: &mut Supply,
    ) -> Result<Option<(Head, Chunk)>, HeadError> {
        while let Some(piece) = &mut self.first {
            let before = self.partial.len();
            if before == 0
                && let Some(head) = head::parse(piece, limits)?
            {
                let bytes = piece.split_to(head.len());
                self.drop_used_piece();
                return Ok(Some((head, supply.pass_on(bytes))));
            }
            if !supply.take_head_bytes(before, piece.len()) {
                return Err(HeadError::NoMemory);
            }
            self.partial.extend_from_slice(piece);
            if before == 0 {
                self.parsed = piece.len();
            } else if self.is_worth_parsing(before, limits) {
                self.parsed = self.partial.len();
                if let Some(head) = head::parse(&self.partial, limits)? {
                    debug_assert!(head.len() > before, "an earlier parse saw this head whole");
                    if let Some(piece) = &mut self.first {
                        piece.advance(head.len().saturating_sub(before));
                    }
                    self.drop_used_piece();
                    let mut bytes = self.take_partial(supply);
                    bytes.truncate(head.len());
                    return Ok(Some((head, bytes.into())));
                }
            }
            self.pop();
        }
        Ok(None)
    }

    /// Lets go of the first piece once all of it is used.
    fn drop_used_piece(&mut self) {
        if self.first.as_ref().is_some_and(|piece| piece.is_empty()) {
            self.pop();
        }
    }

    /// Whether what came behind the first `before` bytes of a head may have completed or broken it.
    fn is_worth_parsing(&self, before: usize, limits: &Limits) -> bool {
        let length = self.partial.len();
        length <= PROMPT_BYTES
            || length >= limits.head_bytes_max
            || length >= 2 * self.parsed
            || memchr::memchr(b'\n', &self.partial[before..]).is_some()
    }

    /// The beginning of a head is all that comes: whether it was one.
    pub(super) fn check_partial(&self, limits: &Limits) -> Result<(), Error> {
        head::parse(&self.partial, limits).map(drop)
    }

    /// Decodes a body as far as it is here, or until `data`, to which it is passed on as views, wants no more for now. Returns
    /// how many bytes that took, framing included.
    pub(super) fn take_body(
        &mut self,
        decoder: &mut Decoder,
        mut data: impl FnMut(View) -> bool,
    ) -> Result<usize, Error> {
        let (mut wants_more, mut taken) = (true, 0);
        while wants_more
            && !decoder.is_done()
            && let Some(piece) = &mut self.first
        {
            let step = decoder.decode(piece)?;
            taken += step.consumed;
            // A piece of which nothing is left is passed on itself.
            let found = if step.consumed == piece.len() {
                self.pop()
            } else {
                Some(piece.split_to(step.consumed))
            };
            if let Some(found) = found
                && !step.data.is_empty()
            {
                wants_more = data(cut(found, step.data));
            }
        }
        Ok(taken)
    }
}

/// The part of a piece that is data.
fn cut(mut piece: View, data: Range<usize>) -> View {
    piece.truncate(data.end);
    piece.advance(data.start);
    piece
}

#[cfg(test)]
mod tests {
    use ringlane_pool::{Options, Pool};

    use super::*;

    const TWO: &[u8] =
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nPOST /b HTTP/1.1\r\nHost: b\r\nContent-Length: 4\r\n\r\nbodyrest";

    fn views(pool: &Pool, pieces: &[&[u8]]) -> Vec<View> {
        let mut views = Vec::new();
        for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
            let mut buffer = pool.take().unwrap();
            buffer.extend_from_slice(piece).unwrap();
            views.push(buffer.freeze());
        }
        views
    }

    #[test]
    fn two_requests_read_the_same_however_they_are_cut() {
        let pool = Pool::new(Options {
            buffer_bytes: 1024,
            buffers_max: 8,
            buffers_step: 1,
        })
        .unwrap();
        let mut supply = Supply::new(pool.clone());
        for first in 0..TWO.len() {
            for second in [first, first + (TWO.len() - first) / 2] {
                let mut input = Input::default();
                let (mut paths, mut body) = (Vec::new(), Vec::new());
                let mut decoder = None::<Decoder>;
                for view in views(&pool, &[&TWO[..first], &TWO[first..second], &TWO[second..]]) {
                    input.push(view);
                    while decoder.is_none()
                        && let Some((head, bytes)) = input.take_head(&Limits::default(), &mut supply).unwrap()
                    {
                        paths.push(head.path(&bytes).to_owned());
                        if paths.len() == 2 {
                            decoder = Some(Decoder::new(head.framing(), 10).unwrap());
                        }
                    }
                    if let Some(decoder) = &mut decoder {
                        let take = |data: View| {
                            body.extend_from_slice(&data);
                            true
                        };
                        input.take_body(decoder, take).unwrap();
                    }
                }
                assert_eq!(
                    (&paths[..], &body[..]),
                    (&["/a".to_owned(), "/b".to_owned()][..], &b"body"[..])
                );
                let mut rest = Vec::new();
                while let Some(piece) = input.pop() {
                    rest.extend_from_slice(&piece);
                }
                assert_eq!(rest, b"rest");
                assert!(input.is_empty());
                assert_eq!(
                    (pool.counts().held, supply.head_bytes()),
                    (0, 0),
                    "memory is still held"
                );
            }
        }
    }
}
