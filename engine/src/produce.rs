//! Streamed responses that are written by an async closure, as fast as the client takes them.

use std::cell::{Cell, RefCell};
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;

use crate::body::BodyError;
use crate::chunk::Chunk;
use crate::response::{Response, StreamError};

impl Response {
    /// 200 with a body that `produce` writes while it is sent, in the chunked coding (RFC 9112 §7.1).
    ///
    /// ```no_run
    /// use ringlane::{Request, Response, Server};
    ///
    /// Server::bind("127.0.0.1:8080").serve(|_core| async |_: Request| {
    ///     Response::produce("text/csv", async |mut sender| {
    ///         for row in 0..1_000_000 {
    ///             sender.send(format!("{row},{}\n", row * row)).await?; // Waits while the client is slow.
    ///         }
    ///         Ok(())
    ///     })
    /// })?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    ///
    /// [`Sender::send`] waits while `output_bytes_max` is queued; one chunk more is held. The body ends with the closure.
    /// Where that returns an error, the connection is closed without the last chunk, so that the client sees that the body
    /// is not whole. Where the client goes, the closure's future is dropped, as a handler's is; a task that it has spawned, and that
    /// holds the sender, gets the error of `send`.
    ///
    /// The closure begins to run once the head is on its way; for HEAD it does not run at all.
    pub fn produce<F>(content_type: &'static str, produce: F) -> Response
    where
        F: AsyncFnOnce(Sender) -> Result<(), Box<dyn Error>> + 'static,
    {
        let slot = Rc::<Slot>::default();
        let sender = Sender { slot: Rc::clone(&slot) };
        let future = Box::pin(async move { produce(sender).await });
        let produced = Produced {
            slot,
            future: Some(future),
        };
        Response::stream(content_type, produced)
    }
}

/// The writing end of a response's body; given to the closure of [`Response::produce`].
pub struct Sender {
    slot: Rc<Slot>,
}

impl Sender {
    /// Passes a chunk on, as soon as the one before it has been taken. Empty chunks are passed over.
    ///
    /// # Errors
    ///
    /// [`BodyError::Closed`] where the client is gone, or the closure has ended.
    pub async fn send(&mut self, chunk: impl Into<Chunk>) -> Result<(), BodyError> {
        let chunk = chunk.into();
        poll_fn(|context| self.slot.poll_free(context)).await?;
        self.slot.put(chunk);
        Ok(())
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(if self.slot.closed.get() {
            "Sender(closed)"
        } else {
            "Sender(open)"
        })
    }
}

/// Room for one chunk between a sender and its stream.
#[derive(Default)]
struct Slot {
    chunk: RefCell<Option<Chunk>>,
    /// Nobody will take another chunk.
    closed: Cell<bool>,
    /// Whoever waits for the slot to be free, and whoever waits for a chunk.
    sender: Cell<Option<Waker>>,
    taker: Cell<Option<Waker>>,
}

impl Slot {
    fn poll_free(&self, context: &Context<'_>) -> Poll<Result<(), BodyError>> {
        if self.closed.get() {
            return Poll::Ready(Err(BodyError::Closed));
        }
        if self.chunk.borrow().is_none() {
            return Poll::Ready(Ok(()));
        }
        self.sender.set(Some(context.waker().clone()));
        Poll::Pending
    }

    fn put(&self, chunk: Chunk) {
        if chunk.is_empty() {
            return;
        }
        *self.chunk.borrow_mut() = Some(chunk);
        wake(&self.taker);
    }

    fn take(&self) -> Option<Chunk> {
        let chunk = self.chunk.borrow_mut().take()?;
        wake(&self.sender);
        Some(chunk)
    }

    fn close(&self) {
        self.closed.set(true);
        wake(&self.sender);
    }
}

fn wake(waker: &Cell<Option<Waker>>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The closure at work.
type Producing = Pin<Box<dyn Future<Output = Result<(), StreamError>>>>;

/// The closure's future as a stream of what it sends. It runs only while the stream is asked for more, which is while there is room.
struct Produced {
    slot: Rc<Slot>,
    /// None once it has ended.
    future: Option<Producing>,
}

impl Stream for Produced {
    type Item = Result<Chunk, StreamError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(chunk) = this.slot.take() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let Some(future) = &mut this.future else {
            return Poll::Ready(None);
        };
        if let Poll::Ready(outcome) = future.as_mut().poll(context) {
            this.future = None;
            this.slot.close();
            if let Err(error) = outcome {
                return Poll::Ready(Some(Err(error)));
            }
        }
        match this.slot.take() {
            Some(chunk) => Poll::Ready(Some(Ok(chunk))),
            None if this.future.is_none() => Poll::Ready(None),
            None => {
                // For a sender that another task has; within the future itself it is polled anyway.
                this.slot.taker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for Produced {
    fn drop(&mut self) {
        self.slot.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn produced<F>(produce: F) -> Pin<Box<Produced>>
    where
        F: AsyncFnOnce(Sender) -> Result<(), Box<dyn Error>> + 'static,
    {
        let slot = Rc::<Slot>::default();
        let sender = Sender { slot: Rc::clone(&slot) };
        Box::pin(Produced {
            slot,
            future: Some(Box::pin(async move { produce(sender).await })),
        })
    }

    fn next(stream: &mut Pin<Box<Produced>>) -> Poll<Option<Result<Chunk, StreamError>>> {
        stream.as_mut().poll_next(&mut Context::from_waker(Waker::noop()))
    }

    #[track_caller]
    fn assert_next(stream: &mut Pin<Box<Produced>>, expected: &str) {
        match next(stream) {
            Poll::Ready(Some(Ok(chunk))) => assert_eq!(&chunk[..], expected.as_bytes()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_chunk_at_a_time_is_made() {
        let made = Rc::new(Cell::new(0));
        let mut stream = produced({
            let made = Rc::clone(&made);
            async move |mut sender| {
                for text in ["a", "", "b", "c"] {
                    made.set(made.get() + 1);
                    sender.send(text).await?;
                }
                Ok(())
            }
        });
        assert_eq!(made.get(), 0, "nothing runs before it is asked for");
        assert_next(&mut stream, "a");
        assert_eq!(made.get(), 2, "the next one waits");
        assert_next(&mut stream, "b");
        assert_next(&mut stream, "c");
        assert!(matches!(next(&mut stream), Poll::Ready(None)));
        assert!(matches!(next(&mut stream), Poll::Ready(None)));
    }

    #[test]
    fn an_error_ends_the_stream() {
        let mut stream = produced(async |mut sender| {
            sender.send("a").await?;
            std::future::ready(()).await;
            sender.send("b").await?;
            Err("no more".into())
        });
        assert_next(&mut stream, "a");
        // What was sent in the same step as the failure is not worth waiting for: the body is broken.
        let Poll::Ready(Some(Err(error))) = next(&mut stream) else {
            panic!("no error")
        };
        assert_eq!(error.to_string(), "no more");
    }

    #[test]
    fn a_sender_that_is_left_over_gets_an_error() {
        let kept = Rc::new(Cell::new(None));
        let mut stream = produced({
            let kept = Rc::clone(&kept);
            async move |sender| {
                kept.set(Some(sender));
                std::future::pending().await
            }
        });
        assert!(next(&mut stream).is_pending());
        let mut sender = kept.take().expect("the future has run");
        let mut context = Context::from_waker(Waker::noop());
        let mut send = |text| std::pin::pin!(sender.send(text)).poll(&mut context);
        assert_eq!(send("a"), Poll::Ready(Ok(())));
        assert_eq!(send("b"), Poll::Pending);
        assert_next(&mut stream, "a");
        drop(stream);
        assert_eq!(send("c"), Poll::Ready(Err(BodyError::Closed)));
    }
}
