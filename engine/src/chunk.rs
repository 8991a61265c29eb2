//! A piece of a body: bytes that are passed on from where they lie.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use ringlane_pool::View;

use crate::supply::Substitute;

/// A piece of a request's or a response's body.
///
/// What arrives is a view of the pooled buffer into which the kernel received it; the buffer goes back to the pool when
/// the last view of it is dropped. What is sent may be such a view as well (nothing is copied on the way through an
/// echo), or a [`Bytes`], a `String`, a `Vec<u8>` or a `&'static` slice. A chunk stays on its core (it is not `Send`);
/// [`Chunk::into_bytes`] makes bytes that need not.
///
/// ```
/// use ringlane::Chunk;
/// let mut chunk = Chunk::from("hello");
/// assert_eq!(&chunk[..], b"hello");
/// chunk.advance(2);
/// assert_eq!(chunk.into_bytes(), "llo");
/// ```
#[derive(Clone)]
pub struct Chunk(Storage);

#[derive(Clone)]
enum Storage {
    Static(&'static [u8]),
    Pooled(View),
    Bytes(Bytes),
    /// Counted for as long as somebody has it, as a pooled buffer is.
    Substitute(Bytes),
}

impl Chunk {
    /// Whether its bytes are the program's own.
    #[inline(always)]
    pub(crate) fn is_static(&self) -> bool {
        matches!(self.0, Storage::Static(_))
    }

    /// Cuts off the first `count` bytes.
    ///
    /// # Panics
    ///
    /// When the chunk has fewer.
    pub fn advance(&mut self, count: usize) {
        match &mut self.0 {
            Storage::Static(bytes) => *bytes = &bytes[count..],
            Storage::Pooled(view) => view.advance(count),
            Storage::Bytes(bytes) | Storage::Substitute(bytes) => bytes::Buf::advance(bytes, count),
        }
    }

    /// Keeps the first `count` bytes and returns the others.
    ///
    /// # Panics
    ///
    /// When the chunk has fewer.
    #[must_use]
    pub fn split_off(&mut self, count: usize) -> Chunk {
        let mut rest = self.clone();
        rest.advance(count);
        match &mut self.0 {
            Storage::Static(bytes) => *bytes = &bytes[..count],
            Storage::Pooled(view) => view.truncate(count),
            Storage::Bytes(bytes) | Storage::Substitute(bytes) => bytes.truncate(count),
        }
        rest
    }

    /// The bytes, free to leave the core: copied if they lie in memory of the core's, such as a pooled buffer, else as they are.
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Storage::Static(bytes) => Bytes::from_static(bytes),
            Storage::Pooled(view) => Bytes::copy_from_slice(&view),
            Storage::Bytes(bytes) => bytes,
            Storage::Substitute(bytes) => Bytes::copy_from_slice(&bytes),
        }
    }
}

impl Default for Chunk {
    fn default() -> Chunk {
        Chunk(Storage::Static(&[]))
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Storage::Static(bytes) => bytes,
            Storage::Pooled(view) => view,
            Storage::Bytes(bytes) | Storage::Substitute(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "b\"{}\"", self.escape_ascii())
    }
}

impl From<View> for Chunk {
    fn from(view: View) -> Chunk {
        Chunk(Storage::Pooled(view))
    }
}

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Chunk {
        Chunk(Storage::Bytes(bytes))
    }
}

impl From<Substitute> for Chunk {
    fn from(substitute: Substitute) -> Chunk {
        Chunk(Storage::Substitute(Bytes::from_owner(substitute)))
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Chunk {
        Chunk(Storage::Bytes(bytes.into()))
    }
}

impl From<String> for Chunk {
    fn from(text: String) -> Chunk {
        Chunk(Storage::Bytes(text.into()))
    }
}

impl From<&'static [u8]> for Chunk {
    fn from(bytes: &'static [u8]) -> Chunk {
        Chunk(Storage::Static(bytes))
    }
}

impl<const N: usize> From<&'static [u8; N]> for Chunk {
    fn from(bytes: &'static [u8; N]) -> Chunk {
        Chunk(Storage::Static(bytes))
    }
}

impl From<&'static str> for Chunk {
    fn from(text: &'static str) -> Chunk {
        Chunk(Storage::Static(text.as_bytes()))
    }
}
