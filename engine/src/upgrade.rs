//! A connection that has left HTTP behind: a raw stream of bytes for the handler.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};

use crate::chunk::Chunk;
use crate::pipe::{End, Pipe};

/// An upgraded connection, given to the function of [`Response::upgrade`](crate::Response::upgrade).
///
/// It implements `AsyncRead` and `AsyncWrite` of the `futures` crates. Reading holds the sender back when it falls
/// behind; writing waits while `output_bytes_max` is queued. What was sent behind the request's head arrives here. Closing
/// it ends the own direction, dropping it the connection, once all that was written has been sent. A server that stops
/// lets the input end.
pub struct Upgraded {
    input: Rc<Pipe>,
    output: Rc<Pipe>,
    /// What has been taken from `input` and not yet read.
    rest: Chunk,
}

impl Upgraded {
    pub(crate) fn new(input: Rc<Pipe>, output: Rc<Pipe>) -> Upgraded {
        input.add_taker();
        Upgraded {
            input,
            output,
            rest: Chunk::default(),
        }
    }

    /// The next bytes, where they were received and without copying them; none at the end of the stream.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` where the connection was reset.
    pub async fn next(&mut self) -> Option<io::Result<Chunk>> {
        if !self.rest.is_empty() {
            return Some(Ok(std::mem::take(&mut self.rest)));
        }
        let chunk = std::future::poll_fn(|context| self.input.poll_take(context)).await;
        chunk.map(|chunk| chunk.map_err(io::Error::from))
    }

    /// Sends bytes from where they lie, as soon as less than `output_bytes_max` is queued.
    ///
    /// # Errors
    ///
    /// `BrokenPipe` where the connection is gone.
    pub async fn send(&mut self, chunk: impl Into<Chunk>) -> io::Result<()> {
        std::future::poll_fn(|context| self.output.poll_room(context)).await?;
        self.output.send(chunk.into());
        Ok(())
    }
}

impl AsyncRead for Upgraded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.rest.is_empty() {
            match self.input.poll_take(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(Ok(0)),
                Poll::Ready(Some(chunk)) => self.rest = chunk?,
            }
        }
        let count = into.len().min(self.rest.len());
        into[..count].copy_from_slice(&self.rest[..count]);
        self.rest.advance(count);
        if self.rest.is_empty() {
            self.rest = Chunk::default();
        }
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Upgraded {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match self.output.poll_room(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) => {
                let count = from.len().min(self.output.room());
                self.output.send(Bytes::copy_from_slice(&from[..count]).into());
                Poll::Ready(Ok(count))
            }
        }
    }

    /// Waits until the connection has taken everything over; it sends on its own.
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.poll_drained(context).map_err(io::Error::from)
    }

    /// Waits until all is sent as far as `poll_flush` does, and then tells the peer that no more comes. Reading goes on.
    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.output.close(End::Finished);
        self.poll_flush(context)
    }
}

impl Drop for Upgraded {
    fn drop(&mut self) {
        self.output.close(End::Finished);
        self.input.abandon();
    }
}

impl fmt::Debug for Upgraded {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Upgraded({} bytes to read)", self.rest.len() + self.input.bytes())
    }
}
