//! A short queue of chunks between a connection and the task at its other end, in either direction.
//!
//! Inbound (a request's body, an upgraded connection's input) the core pushes and the task takes; outbound (a streamed
//! response, an upgraded connection's output) the task pushes and the core takes. Either way the core never waits: it
//! is told through [`Shared`] when there is something to take, or room again. The task waits with its waker.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ringlane_pool::Key;

use crate::body::BodyError;
use crate::chunk::Chunk;
use crate::shared::{News, Shared};

/// How many chunks a pipe has room for before it needs more memory: a body of 16 KiB in the usual buffers.
const CHUNKS: usize = 8;

pub(crate) struct Pipe {
    shared: Rc<Shared>,
    key: Key,
    chunks: RefCell<VecDeque<Chunk>>,
    /// The sum of the chunks' lengths.
    bytes: Cell<usize>,
    end: Cell<End>,
    /// The task that waits at its end, for a chunk or for room.
    waker: Cell<Option<Waker>>,
    /// The task at its end waits.
    waited_for: Cell<bool>,
    /// The core has been told and has not looked yet.
    told: Cell<bool>,
    /// Inbound: how many handles can still take a chunk.
    takers: Cell<usize>,
}

/// Whether more chunks will come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Open,
    /// The last chunk has been pushed.
    Finished,
    /// No more chunks come, and those that came are not all.
    Failed(BodyError),
}

impl Pipe {
    pub(crate) fn new(shared: Rc<Shared>, key: Key) -> Rc<Pipe> {
        Rc::new(Pipe {
            shared,
            key,
            chunks: RefCell::default(),
            bytes: Cell::new(0),
            end: Cell::new(End::Open),
            waker: Cell::new(None),
            waited_for: Cell::new(false),
            told: Cell::new(false),
            takers: Cell::new(0),
        })
    }

    /// Lets go of what lies in it, and of more memory than most pipes need.
    pub(crate) fn retire(&self) {
        self.discard();
        let mut chunks = self.chunks.borrow_mut();
        if chunks.capacity() > CHUNKS {
            chunks.shrink_to(CHUNKS);
        }
    }

    /// Makes a new pipe of one that was retired, for whatever connection.
    pub(crate) fn renew(&mut self, key: Key) {
        debug_assert!(self.chunks() == 0 && self.bytes() == 0);
        self.key = key;
        self.end.set(End::Open);
        self.waker.set(None);
        self.waited_for.set(false);
        self.told.set(false);
        self.takers.set(0);
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// How many bytes lie in the pipe.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.get()
    }

    /// How many chunks lie in the pipe.
    pub(crate) fn chunks(&self) -> usize {
        self.chunks.borrow().len()
    }

    pub(crate) fn end(&self) -> End {
        self.end.get()
    }

    fn push(&self, chunk: Chunk) {
        if !chunk.is_empty() && self.end.get() == End::Open {
            self.bytes.set(self.bytes.get() + chunk.len());
            let mut chunks = self.chunks.borrow_mut();
            if chunks.capacity() == 0 {
                chunks.reserve(CHUNKS);
            }
            chunks.push_back(chunk);
        }
    }

    fn pop(&self) -> Option<Chunk> {
        let chunk = self.chunks.borrow_mut().pop_front()?;
        self.bytes.set(self.bytes.get() - chunk.len());
        Some(chunk)
    }

    fn wake_task(&self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn tell_core(&self) {
        if !self.told.replace(true) {
            self.shared.tell(self.key, News::Moved);
        }
    }

    /// Inbound: there is room, which the core has a use for while more can come.
    fn tell_core_of_room(&self) {
        if self.end.get() == End::Open {
            self.tell_core();
        }
    }

    fn wait(&self, context: &Context<'_>) {
        self.waker.set(Some(context.waker().clone()));
        self.waited_for.set(true);
    }
}

/// The core's side.
impl Pipe {
    /// Inbound: passes a chunk on.
    pub(crate) fn give(&self, chunk: Chunk) {
        self.push(chunk);
        self.waited_for.set(false);
        self.wake_task();
    }

    /// Inbound: no more chunks. Outbound: the connection will take no more. The first end stays.
    pub(crate) fn end_with(&self, end: End) {
        if self.end.get() == End::Open {
            self.end.set(end);
        }
        self.wake_task();
    }

    /// Either: the news of this pipe has arrived; from here on there may be further ones.
    pub(crate) fn handle_news(&self) {
        self.told.set(false);
    }

    /// Outbound: takes a chunk.
    pub(crate) fn take(&self) -> Option<Chunk> {
        let chunk = self.pop();
        if chunk.is_some() {
            self.waited_for.set(false);
            self.wake_task();
        }
        chunk
    }

    /// Inbound: whether the task waits for a chunk.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waited_for.get()
    }

    /// Inbound: whether nobody will take any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.takers.get() == 0
    }

    /// Inbound: throws away what the task will not take.
    pub(crate) fn discard(&self) {
        if self.bytes.take() > 0 {
            self.chunks.borrow_mut().clear();
        }
    }
}

/// The task's side.
impl Pipe {
    /// Inbound: the next chunk; `Ready(None)` once all have been taken.
    pub(crate) fn poll_take(&self, context: &Context<'_>) -> Poll<Option<Result<Chunk, BodyError>>> {
        if let Some(chunk) = self.pop() {
            self.tell_core_of_room();
            return Poll::Ready(Some(Ok(chunk)));
        }
        match self.end.get() {
            End::Finished => Poll::Ready(None),
            End::Failed(error) => Poll::Ready(Some(Err(error))),
            End::Open => {
                let waited_before = self.waited_for.get();
                self.wait(context);
                if !waited_before {
                    self.tell_core();
                }
                Poll::Pending
            }
        }
    }

    /// Inbound: the task does not wait any more, which the core is told where it did.
    pub(crate) fn stop_waiting(&self) {
        if self.waited_for.replace(false) {
            self.tell_core_of_room();
        }
    }

    /// Outbound: how many bytes may lie in the pipe at the moment.
    pub(crate) fn room(&self) -> usize {
        self.shared.room()
    }

    /// Outbound: waits until fewer bytes lie in the pipe than may, or fails once nobody takes them any more.
    pub(crate) fn poll_room(&self, context: &Context<'_>) -> Poll<Result<(), BodyError>> {
        match self.end.get() {
            End::Open if self.bytes.get() < self.room() => Poll::Ready(Ok(())),
            End::Open => {
                self.wait(context);
                Poll::Pending
            }
            End::Failed(error) => Poll::Ready(Err(error)),
            End::Finished => Poll::Ready(Err(BodyError::Closed)),
        }
    }

    /// Outbound: waits until the core has taken everything.
    pub(crate) fn poll_drained(&self, context: &Context<'_>) -> Poll<Result<(), BodyError>> {
        match self.end.get() {
            End::Failed(error) => Poll::Ready(Err(error)),
            _ if self.bytes.get() == 0 => Poll::Ready(Ok(())),
            _ => {
                self.wait(context);
                Poll::Pending
            }
        }
    }

    /// Outbound: passes a chunk on.
    pub(crate) fn send(&self, chunk: Chunk) {
        self.push(chunk);
        self.tell_core();
    }

    /// Outbound: says that that was all, or that the rest will not come.
    pub(crate) fn close(&self, end: End) {
        if self.end.get() == End::Open {
            self.end.set(end);
            self.tell_core();
        }
    }

    /// Inbound: one more handle can take chunks.
    pub(crate) fn add_taker(&self) {
        self.takers.set(self.takers.get() + 1);
    }

    /// Inbound: one handle to a body less. Behind the last one the core throws the rest away, if there is any.
    pub(crate) fn remove_taker(&self) {
        let takers = self.takers.get().saturating_sub(1);
        self.takers.set(takers);
        if takers == 0 {
            self.discard();
            self.tell_core_of_room();
        }
    }

    /// Inbound: the task lets go of an upgraded connection, which ends with that, whatever came to an end before.
    pub(crate) fn abandon(&self) {
        self.takers.set(0);
        self.discard();
        self.tell_core();
    }
}
