//! The upgraded connection as `Read` and `Write`, which never block: what has to wait is told as `WouldBlock`.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead, AsyncWrite};

use super::boundary::Boundary;
use crate::upgrade::Upgraded;

pub(super) struct Wire {
    stream: Upgraded,
    /// Who is woken when what would block now can go on: whoever used the connection last.
    waker: Waker,
    /// No more input comes. It is told apart from `WouldBlock` by this alone, so that the protocol stays able to say goodbye.
    ended: bool,
    /// Bytes have come since this was last asked.
    heard: bool,
    /// What was written last has not been taken over yet.
    blocked: bool,
    boundary: Boundary,
    /// The last read came to nothing, so everything before it has been looked at.
    dry: bool,
}

impl Wire {
    pub(super) fn new(stream: Upgraded) -> Wire {
        Wire {
            stream,
            waker: Waker::noop().clone(),
            ended: false,
            heard: false,
            blocked: false,
            boundary: Boundary::default(),
            dry: true,
        }
    }

    pub(super) fn set_waker(&mut self, waker: &Waker) {
        self.waker.clone_from(waker);
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked
    }

    /// Whether all that has come was whole messages, and those have been taken out of the buffers.
    pub(super) fn is_between_messages(&self) -> bool {
        self.dry && self.boundary.is_between_messages()
    }

    pub(super) fn take_heard(&mut self) -> bool {
        std::mem::take(&mut self.heard)
    }
}

impl Read for Wire {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        let read = Pin::new(&mut self.stream).poll_read(&mut context, into);
        self.dry = read.is_pending();
        match read {
            Poll::Ready(Ok(0)) => {
                self.ended = true;
                Err(io::ErrorKind::WouldBlock.into())
            }
            Poll::Ready(Ok(count)) => {
                self.heard = true;
                self.boundary.pass(&into[..count]);
                Ok(count)
            }
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        let mut context = Context::from_waker(&self.waker);
        let written = Pin::new(&mut self.stream).poll_write(&mut context, from);
        self.blocked = written.is_pending();
        match written {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// The connection sends on its own. Whoever falls behind in taking it is felt by `write`.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
