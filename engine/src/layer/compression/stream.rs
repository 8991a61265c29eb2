//! A body that is compressed while it is sent.

use std::cell::Cell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::encoder::{Encoder, Levels};
use crate::chunk::Chunk;
use crate::coding::Coding;
use crate::response::{Chunks, StreamError};

/// How much is compressed in one poll, in bytes: then other work has its turn.
const WORK_BYTES_MAX: usize = 16 << 10;

/// What a chunk counts for at the least, so that many small ones are work, too.
const CHUNK_WORK_BYTES: usize = 256;

/// With so much output a chunk is sent, in bytes.
const CHUNK_BYTES: usize = 8 << 10;

const WRONG_LENGTH: &str = "the body has another length than its response said";

/// What is compressed.
pub(super) enum Source {
    Whole(Chunk),
    Stream(Pin<Box<dyn Chunks>>),
}

impl Source {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Chunk, StreamError>>> {
        match self {
            Source::Whole(chunk) if chunk.is_empty() => Poll::Ready(None),
            Source::Whole(chunk) => Poll::Ready(Some(Ok(std::mem::take(chunk)))),
            Source::Stream(stream) => stream.as_mut().poll_chunk(context),
        }
    }
}

/// One of the bodies that a core compresses at a time, from its making to its drop.
pub(super) struct Permit(Rc<Cell<usize>>);

impl Permit {
    pub(super) fn take(count: &Rc<Cell<usize>>, most: usize) -> Option<Permit> {
        if count.get() >= most {
            return None;
        }
        count.set(count.get() + 1);
        Some(Permit(Rc::clone(count)))
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// The stream of the compressed body.
pub(super) struct Compressed {
    source: Source,
    /// How much the source has still to bring, where it has said so. What is too little or too much must be seen as that.
    left: Option<u64>,
    /// What has come from the source and is not compressed yet.
    rest: Chunk,
    /// None once the body has been ended.
    encoder: Option<Encoder>,
    /// The encoder holds something that nobody could decode yet.
    is_unflushed: bool,
    /// The last poll has done its share of work: the next one only lets others have their turn.
    has_worked: bool,
    _permit: Permit,
}

impl Compressed {
    /// The compressed stream, or the source where there is no memory for an encoder.
    pub(super) fn new(
        source: Source,
        left: Option<u64>,
        coding: Coding,
        levels: &Levels,
        permit: Permit,
    ) -> Result<Compressed, Source> {
        let length = match &source {
            Source::Whole(chunk) => Some(chunk.len()),
            Source::Stream(_) => None,
        };
        match Encoder::new(coding, levels, length) {
            Ok(encoder) => Ok(Compressed {
                source,
                left,
                rest: Chunk::default(),
                encoder: Some(encoder),
                is_unflushed: false,
                has_worked: false,
                _permit: permit,
            }),
            Err(_) => Err(source),
        }
    }

    /// Compresses up to a bounded amount, as far as the source has something.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Chunk, StreamError>>> {
        if std::mem::take(&mut self.has_worked) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut work = 0;
        while work < WORK_BYTES_MAX {
            let Some(encoder) = &mut self.encoder else {
                return Poll::Ready(None);
            };
            if self.rest.is_empty() {
                match self.source.poll(context) {
                    Poll::Ready(Some(chunk)) => {
                        self.rest = chunk?;
                        if let Some(left) = &mut self.left {
                            *left = left.checked_sub(self.rest.len() as u64).ok_or(WRONG_LENGTH)?;
                        }
                    }
                    Poll::Ready(None) if self.left.is_some_and(|left| left > 0) => Err(WRONG_LENGTH)?,
                    Poll::Ready(None) => return Poll::Ready(self.finish()),
                    // Nobody knows when more comes: the client gets what there is.
                    Poll::Pending if std::mem::take(&mut self.is_unflushed) => {
                        encoder.flush()?;
                        return Poll::Ready(Some(Ok(encoder.take().into())));
                    }
                    Poll::Pending => return Poll::Pending,
                }
            }
            let count = self.rest.len().min(WORK_BYTES_MAX - work);
            encoder.write(&self.rest[..count])?;
            self.rest.advance(count);
            self.is_unflushed |= count > 0;
            work += count.max(CHUNK_WORK_BYTES);
            if encoder.ready() >= CHUNK_BYTES {
                break;
            }
        }
        match &mut self.encoder {
            Some(encoder) if encoder.ready() > 0 => {
                self.has_worked = true;
                Poll::Ready(Some(Ok(encoder.take().into())))
            }
            _ => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn finish(&mut self) -> Option<Result<Chunk, StreamError>> {
        let rest = self.encoder.take()?.finish();
        Some(rest.map(Chunk::from).map_err(StreamError::from))
    }
}

impl Stream for Compressed {
    type Item = Result<Chunk, StreamError>;

    /// Where the source fails, so does this; it is not to be polled again.
    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}
