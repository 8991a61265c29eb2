//! What a connection has received and not yet used: whole buffers' views, and a head that spans several.

use std::collections::VecDeque;

use ringlane_pool::View;
use ringlane_protocol::body::Decoder;
use ringlane_protocol::head::{self, Head};
use ringlane_protocol::{Error, Limits};

use crate::chunk::Chunk;

/// Received bytes in order: first `partial`, then `pieces`.
#[derive(Default)]
pub(super) struct Input {
    /// None of them empty.
    pieces: VecDeque<View>,
    /// The beginning of a head whose end has not come, copied together so that its buffers are free again.
    partial: Vec<u8>,
}

impl Input {
    pub(super) fn push(&mut self, piece: View) {
        debug_assert!(!piece.is_empty());
        self.pieces.push_back(piece);
    }

    pub(super) fn pop(&mut self) -> Option<View> {
        self.pieces.pop_front()
    }

    /// How many pooled buffers it holds, at the most.
    pub(super) fn buffers(&self) -> usize {
        self.pieces.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.partial.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.partial = Vec::new();
    }

    /// Takes the next head and its bytes, where it is complete. A head within one buffer is not copied.
    pub(super) fn take_head(&mut self, limits: &Limits) -> Result<Option<(Head, Chunk)>, Error> {
        while let Some(mut piece) = self.pieces.pop_front() {
            if self.partial.is_empty()
                && let Some(head) = head::parse(&piece, limits)?
            {
                let bytes = piece.split_to(head.len());
                self.put_back(piece);
                return Ok(Some((head, bytes.into())));
            }
            let before = self.partial.len();
            self.partial.extend_from_slice(&piece);
            if before > 0
                && let Some(head) = head::parse(&self.partial, limits)?
            {
                debug_assert!(head.len() > before, "an earlier parse saw this head whole");
                piece.advance(head.len().saturating_sub(before));
                self.put_back(piece);
                self.partial.truncate(head.len());
                return Ok(Some((head, std::mem::take(&mut self.partial).into())));
            }
        }
        Ok(None)
    }

    /// Decodes a body as far as it is here, passing its data on as views. True once the body is complete.
    pub(super) fn take_body(&mut self, decoder: &mut Decoder, mut data: impl FnMut(View)) -> Result<bool, Error> {
        while !decoder.is_done()
            && let Some(piece) = self.pieces.front_mut()
        {
            let step = decoder.decode(piece)?;
            if !step.data.is_empty() {
                data(piece.slice(step.data));
            }
            piece.advance(step.consumed);
            if piece.is_empty() {
                self.pieces.pop_front();
            }
        }
        Ok(decoder.is_done())
    }

    fn put_back(&mut self, rest: View) {
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
    }
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
        for first in 0..TWO.len() {
            for second in [first, first + (TWO.len() - first) / 2] {
                let mut input = Input::default();
                let (mut paths, mut body) = (Vec::new(), Vec::new());
                let mut decoder = None::<Decoder>;
                for view in views(&pool, &[&TWO[..first], &TWO[first..second], &TWO[second..]]) {
                    input.push(view);
                    while decoder.is_none()
                        && let Some((head, bytes)) = input.take_head(&Limits::default()).unwrap()
                    {
                        paths.push(head.path(&bytes).to_owned());
                        if paths.len() == 2 {
                            decoder = Some(Decoder::new(head.framing(), 10).unwrap());
                        }
                    }
                    if let Some(decoder) = &mut decoder {
                        input.take_body(decoder, |data| body.extend_from_slice(&data)).unwrap();
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
                assert_eq!(pool.counts().held, 0, "a buffer is still held");
            }
        }
    }
}
