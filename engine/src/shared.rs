//! What a core shares with the handlers' side of the same thread: news for the core, and the sockets' numbers.
//!
//! Requests, bodies, response streams and upgraded connections live with the user and reach their core only through
//! this. All of it is single-threaded; nothing here is locked or atomic.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{BorrowedFd, RawFd};
use std::task::Waker;

use ringlane_pool::Key;

use crate::handler::Outcome;
use crate::request;

/// Something that happened on the handlers' side of a connection.
pub(crate) enum News {
    /// The pending handler has come to an end.
    Finished(Outcome),
    /// A pipe of the connection has something to take, or room again.
    Moved,
}

/// One core's meeting point of its loop and its handlers.
#[derive(Default)]
pub(crate) struct Shared {
    inbox: RefCell<Vec<(Key, News)>>,
    /// Wakes the loop's task while it is parked; taken with the first news.
    parked: Cell<Option<Waker>>,
    /// The memory of the request that was over last: one at a time is made, unless their handlers wait.
    spare_request: Cell<Option<Box<request::Inner>>>,
    /// That of others.
    #[expect(clippy::vec_box, reason = "the box is what a request is moved as")]
    spare_requests: RefCell<Vec<Box<request::Inner>>>,
    /// The generation and socket of each connection's slot; the socket is -1 where there is none.
    sockets: RefCell<Vec<(u32, RawFd)>>,
    /// Tasks that belong to connections and have not ended.
    tasks: Cell<usize>,
    /// Streamed responses and upgraded connections under way, and what all of them together may have queued.
    streams: Cell<usize>,
    streams_bytes_max: Cell<usize>,
    /// What one of them may.
    stream_bytes_max: Cell<usize>,
}

/// How many requests' memory a core keeps for their next use.
const SPARE_REQUESTS_MAX: usize = 256;

/// What a stream may have queued however many there are.
const ROOM_MIN: usize = 1024;

impl Shared {
    /// Leaves news for the core, and wakes it where it is parked.
    pub(crate) fn tell(&self, key: Key, news: News) {
        self.inbox.borrow_mut().push((key, news));
        self.wake();
    }

    /// Wakes the core where it is parked.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.parked.take() {
            waker.wake();
        }
    }

    pub(crate) fn has_news(&self) -> bool {
        !self.inbox.borrow().is_empty()
    }

    /// Memory for a request: that of one that is over, if there is any.
    #[inline(always)]
    pub(crate) fn take_request(&self) -> Box<request::Inner> {
        match self.spare_request.take() {
            Some(inner) => inner,
            None => self.take_another_request(),
        }
    }

    #[cold]
    fn take_another_request(&self) -> Box<request::Inner> {
        self.spare_requests.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a request's memory for its next use.
    #[inline(always)]
    pub(crate) fn recycle_request(&self, inner: Box<request::Inner>) {
        if let Some(another) = self.spare_request.replace(Some(inner)) {
            self.recycle_another_request(another);
        }
    }

    #[cold]
    fn recycle_another_request(&self, inner: Box<request::Inner>) {
        let mut spares = self.spare_requests.borrow_mut();
        if spares.len() < SPARE_REQUESTS_MAX {
            spares.push(inner);
        }
    }

    /// Swaps the news with an empty vector, so that both keep their memory.
    pub(crate) fn take_news(&self, empty: &mut Vec<(Key, News)>) {
        debug_assert!(empty.is_empty());
        std::mem::swap(&mut *self.inbox.borrow_mut(), empty);
    }

    /// Has the next news wake this task.
    pub(crate) fn park(&self, waker: Waker) {
        self.parked.set(Some(waker));
    }

    /// Has the next news wake nobody.
    pub(crate) fn unpark(&self) {
        self.parked.set(None);
    }

    /// How many handlers, streams and upgrades are under way as tasks: while there are any, the executor must run.
    pub(crate) fn tasks(&self) -> usize {
        self.tasks.get()
    }

    pub(crate) fn count_task(&self, change: isize) {
        self.tasks.set(self.tasks.get().saturating_add_signed(change));
    }

    /// Bounds what one stream, and all streams together, may have queued.
    pub(crate) fn limit_streams(&self, one: usize, all: usize) {
        self.stream_bytes_max.set(one);
        self.streams_bytes_max.set(all);
    }

    pub(crate) fn count_stream(&self, change: isize) {
        self.streams.set(self.streams.get().saturating_add_signed(change));
    }

    /// How many bytes one stream may have queued at the moment: the more there are, the fewer.
    pub(crate) fn room(&self) -> usize {
        let share = self.streams_bytes_max.get() / self.streams.get().max(1);
        share.min(self.stream_bytes_max.get()).max(ROOM_MIN)
    }

    pub(crate) fn open(&self, key: Key, socket: RawFd) {
        let mut sockets = self.sockets.borrow_mut();
        let slot = key.index() as usize;
        if sockets.len() <= slot {
            sockets.resize(slot + 1, (0, -1));
        }
        sockets[slot] = (key.generation(), socket);
    }

    pub(crate) fn close(&self, key: Key) {
        if let Some(entry) = self.sockets.borrow_mut().get_mut(key.index() as usize) {
            *entry = (0, -1);
        }
    }

    /// The peer's address (getpeername(2)), while the connection is open.
    pub(crate) fn peer(&self, key: Key) -> io::Result<SocketAddr> {
        let socket = match self.sockets.borrow().get(key.index() as usize) {
            Some((generation, socket)) if *generation == key.generation() && *socket >= 0 => *socket,
            _ => return Err(io::Error::from_raw_os_error(libc::ENOTCONN)),
        };
        // SAFETY: the table names only sockets that are open: `close` is called before the socket's close is queued.
        let socket = unsafe { BorrowedFd::borrow_raw(socket) };
        let address = socket2::SockRef::from(&socket).peer_addr()?;
        address
            .as_socket()
            .ok_or_else(|| io::Error::from_raw_os_error(libc::EAFNOSUPPORT))
    }
}
