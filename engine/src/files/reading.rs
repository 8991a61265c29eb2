//! Reading files without ever waiting for a disk on the core's thread, and in pieces that the client is ready for.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, IntoRawFd, OwnedFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use glommio::io::BufferedFile;

use super::range::Span;
use super::root::read_cached;

/// How much is read from a file at once, in bytes.
pub(super) const PIECE_BYTES: usize = 64 << 10;

/// Reads some bytes at once.
///
/// # Errors
///
/// `UnexpectedEof` where the file does not have them any more.
pub(super) async fn read_whole(descriptor: OwnedFd, span: Span) -> io::Result<Vec<u8>> {
    let count = usize::try_from(span.bytes()).map_err(|_| io::ErrorKind::FileTooLarge)?;
    // In most cases that is all.
    if let Ok(Some(bytes)) = read_cached(descriptor.as_fd(), span.first, count)
        && bytes.len() == count
    {
        return Ok(bytes);
    }
    let mut whole = Vec::with_capacity(count);
    let mut reader = Reader::new(descriptor);
    while whole.len() < count {
        let piece = reader.read(span.first + whole.len() as u64, count - whole.len());
        whole.extend_from_slice(&piece.await?);
    }
    Ok(whole)
}

/// A file that is read: what the kernel has in memory with one system call in place, all else by the executor's io_uring.
struct Reader {
    /// Shared with a read whose client may have gone meanwhile.
    file: Rc<BufferedFile>,
    /// Whether the file system can tell what it has in memory.
    tries_cache: bool,
}

type Reading = Pin<Box<dyn Future<Output = io::Result<Vec<u8>>>>>;

impl Reader {
    fn new(descriptor: OwnedFd) -> Reader {
        let number = descriptor.into_raw_fd();
        Reader {
            // SAFETY: the descriptor has just been given up by its only owner, and is open.
            file: Rc::new(unsafe { BufferedFile::from_raw_fd(number) }),
            tries_cache: true,
        }
    }

    /// Up to `count` bytes, one at least.
    async fn read(&mut self, at: u64, count: usize) -> io::Result<Vec<u8>> {
        match self.read_in_place(at, count) {
            Some(read) => read,
            None => self.read_by_ring(at, count).await,
        }
    }

    /// None where the file has to be read by the ring.
    fn read_in_place(&mut self, at: u64, count: usize) -> Option<io::Result<Vec<u8>>> {
        if !self.tries_cache {
            return None;
        }
        // SAFETY: the file is open as long as `self.file` is there, and so through the call.
        let file = unsafe { BorrowedFd::borrow_raw(self.file.as_raw_fd()) };
        match read_cached(file, at, count) {
            Ok(read) => read.map(some),
            Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {
                self.tries_cache = false;
                None
            }
            Err(error) => Some(Err(error)),
        }
    }

    /// The read is a task of its own, and ends by itself also where nobody waits for it any more: glommio 0.9 cancels a read
    /// by a number that may be another one's by then.
    fn read_by_ring(&self, at: u64, count: usize) -> Reading {
        let file = Rc::clone(&self.file);
        let task = glommio::spawn_local(async move {
            let read = file.read_at(at, count).await.map_err(io::Error::from)?;
            Ok(read.to_vec())
        });
        let task = task.detach();
        Box::pin(async move {
            let read: Option<io::Result<Vec<u8>>> = task.await;
            some(read.ok_or(io::ErrorKind::Interrupted)??)
        })
    }
}

/// No bytes: the file ends before what it had when it was opened.
fn some(bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    if bytes.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

/// A part of a body.
pub(super) enum Part {
    Text(Vec<u8>),
    /// Of the file.
    Span(Span),
}

impl Part {
    pub(super) fn bytes(&self) -> u64 {
        match self {
            Part::Text(text) => text.len() as u64,
            Part::Span(span) => span.bytes(),
        }
    }
}

/// A body of parts, read when it is asked for, piece by piece.
pub(super) struct Pieces {
    reader: Reader,
    parts: VecDeque<Part>,
    reading: Option<Reading>,
}

impl Pieces {
    pub(super) fn new(descriptor: OwnedFd, parts: impl Into<VecDeque<Part>>) -> Pieces {
        Pieces {
            reader: Reader::new(descriptor),
            parts: parts.into(),
            reading: None,
        }
    }

    /// A piece of the first part has been read.
    fn advance(&mut self, piece: io::Result<Vec<u8>>) -> Poll<Option<io::Result<Vec<u8>>>> {
        match (&piece, self.parts.front_mut()) {
            (Ok(bytes), Some(Part::Span(span))) if (bytes.len() as u64) < span.bytes() => {
                span.first += bytes.len() as u64;
            }
            (Ok(_), _) => drop(self.parts.pop_front()),
            (Err(_), _) => self.parts.clear(),
        }
        Poll::Ready(Some(piece))
    }
}

impl Stream for Pieces {
    type Item = io::Result<Vec<u8>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let pieces = &mut *self;
        if pieces.reading.is_none() {
            let (at, count) = match pieces.parts.front_mut() {
                None => return Poll::Ready(None),
                Some(Part::Text(text)) => {
                    let text = std::mem::take(text);
                    return pieces.advance(Ok(text));
                }
                Some(Part::Span(span)) => (span.first, span.bytes().min(PIECE_BYTES as u64) as usize),
            };
            match pieces.reader.read_in_place(at, count) {
                Some(read) => return pieces.advance(read),
                None => pieces.reading = Some(pieces.reader.read_by_ring(at, count)),
            }
        }
        let Some(reading) = &mut pieces.reading else {
            return Poll::Ready(None);
        };
        let read = ready!(reading.as_mut().poll(context));
        pieces.reading = None;
        pieces.advance(read)
    }
}
