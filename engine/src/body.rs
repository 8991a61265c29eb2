//! A request's body, as its handler reads it: chunk by chunk where it was received, or whole within a limit.

use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_core::Stream;

use crate::chunk::Chunk;
use crate::pipe::Pipe;

/// How much memory is taken for a whole body before any of it is there.
const RESERVE_BYTES_MAX: u64 = 64 << 10;

/// The body of a request.
///
/// A body is received while it is read: what the handler does not take holds the sender back (TCP backpressure). Where
/// the client announced `Expect: 100-continue`, the first read sends `100 Continue` (RFC 9110 §10.1.1). All handles to
/// one request's body read the same chunks: what one has taken, the others do not see. One of them may wait at a time.
///
/// A body that is malformed or too long, or that stalls past `body_timeout`, ends its handler where the response has
/// not begun: the handler's future is dropped and the client gets the exact status (400, 413, 408). So a handler that
/// waits for its body sees no error; a task that it has spawned and that holds the body does.
///
/// ```no_run
/// use ringlane::{IntoResponse, Request, Response, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| async |request: Request| {
///     let mut bytes = 0;
///     let mut body = request.body();
///     while let Some(chunk) = body.next().await {
///         match chunk {
///             Ok(chunk) => bytes += chunk.len(),
///             Err(error) => return error.into_response(),
///         }
///     }
///     Response::text(format!("{bytes} bytes"))
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Default)]
pub struct Body {
    pipe: Option<Rc<Pipe>>,
    length: Option<u64>,
}

impl Body {
    pub(crate) fn new(pipe: Rc<Pipe>, length: Option<u64>) -> Body {
        pipe.add_taker();
        Body {
            pipe: Some(pipe),
            length,
        }
    }

    /// Whether the request has none.
    #[inline(always)]
    pub(crate) fn is_none(&self) -> bool {
        self.pipe.is_none()
    }

    /// The length in bytes: 0 where the request has no body, none where it is sent in chunks of its own
    /// (RFC 9112 §7.1) and the length shows only at its end.
    pub fn length(&self) -> Option<u64> {
        if self.pipe.is_none() { Some(0) } else { self.length }
    }

    /// The next chunk, as soon as it has been received; none at the end.
    pub async fn next(&mut self) -> Option<Result<Chunk, BodyError>> {
        let _waiting = self.pipe.as_deref().map(Waiting);
        std::future::poll_fn(|context| self.poll_chunk(context)).await
    }

    /// The whole body, copied together; `limit` in bytes.
    ///
    /// # Errors
    ///
    /// [`BodyError::TooLarge`] past the limit, which turned into a response is a 413; else as [`Body::next`].
    pub async fn bytes(&mut self, limit: usize) -> Result<Bytes, BodyError> {
        if self.length.is_some_and(|length| length > limit as u64) {
            return Err(BodyError::TooLarge);
        }
        // What is announced is not there yet: memory comes with the bytes.
        let expected = self.length.unwrap_or(0).min(limit as u64).min(RESERVE_BYTES_MAX);
        let mut whole = BytesMut::with_capacity(expected as usize);
        while let Some(chunk) = self.next().await {
            let chunk = chunk?;
            if chunk.len() > limit - whole.len() {
                return Err(BodyError::TooLarge);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    fn poll_chunk(&self, context: &Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        match &self.pipe {
            None => Poll::Ready(None),
            Some(pipe) => pipe.poll_take(context),
        }
    }
}

impl Stream for Body {
    type Item = Result<Chunk, BodyError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_chunk(context)
    }
}

/// Whoever gives up waiting for a chunk no longer holds the client to its time.
struct Waiting<'a>(&'a Pipe);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.stop_waiting();
    }
}

impl Drop for Body {
    /// The last handle tells the connection to throw the rest away.
    fn drop(&mut self) {
        if let Some(pipe) = &self.pipe {
            pipe.remove_taker();
        }
    }
}

impl Clone for Body {
    /// Another handle to the same body.
    fn clone(&self) -> Body {
        if let Some(pipe) = &self.pipe {
            pipe.add_taker();
        }
        Body {
            pipe: self.pipe.clone(),
            length: self.length,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length() {
            Some(length) => write!(out, "Body({length} bytes)"),
            None => out.write_str("Body(chunked)"),
        }
    }
}

/// Why a body could not be read to its end.
///
/// As a response it is the status that its cause calls for.
///
/// ```
/// use ringlane::{BodyError, IntoResponse};
/// assert_eq!(BodyError::TooLarge.into_response().status(), 413);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BodyError {
    /// The connection is gone, or will take no more.
    Closed,
    /// The framing of the body is broken (RFC 9112 §7).
    Malformed,
    /// The body is longer than its limit.
    TooLarge,
    /// The body stalled for longer than `body_timeout`, or came more slowly than `body_bytes_per_second_min` allows.
    TimedOut,
}

impl fmt::Display for BodyError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            BodyError::Closed => "the connection was closed before the end of the body",
            BodyError::Malformed => "the body's framing is malformed",
            BodyError::TooLarge => "the body is larger than its limit",
            BodyError::TimedOut => "the body stalled for too long, or came too slowly",
        })
    }
}

impl std::error::Error for BodyError {}

impl From<BodyError> for std::io::Error {
    fn from(error: BodyError) -> std::io::Error {
        let kind = match error {
            BodyError::Closed => std::io::ErrorKind::BrokenPipe,
            BodyError::Malformed => std::io::ErrorKind::InvalidData,
            BodyError::TooLarge => std::io::ErrorKind::FileTooLarge,
            BodyError::TimedOut => std::io::ErrorKind::TimedOut,
        };
        std::io::Error::new(kind, error)
    }
}
