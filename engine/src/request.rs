//! A request, as its handler gets it: a small owned value that points into the buffer in which it arrived.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::net::SocketAddr;
use std::rc::Rc;

use http::{Method, Version};
use ringlane_pool::Key;
use ringlane_protocol::head::{Framing, Head};

use crate::body::Body;
use crate::chunk::Chunk;
#[cfg(feature = "router")]
use crate::extras::Extras;
use crate::shared::Shared;
use crate::supply::Supply;

/// A request whose head has arrived whole and has been found valid (RFC 9112 §3, §5; RFC 9110 §7).
///
/// It owns a reference to the pooled buffer that holds its head; nothing of the head is copied, and fields are found by
/// scanning it when they are asked for. A request stays on its core (it is not `Send`).
///
/// ```no_run
/// use ringlane::{Request, Response, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| async |request: Request| {
///     let agent = request.header("user-agent").unwrap_or(b"no name");
///     Response::text(format!(
///         "{} {} by {}",
///         request.method(),
///         request.path(),
///         String::from_utf8_lossy(agent),
///     ))
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
pub struct Request {
    /// Taken by `drop` alone.
    inner: ManuallyDrop<Box<Inner>>,
}

/// What a request is. It is written once, in memory that is used again, and stays there while the request is moved through
/// its handler's futures: copying what has just been written in smaller pieces stalls the processor.
pub(crate) struct Inner {
    head: Head,
    /// The bytes of the head; `head`'s offsets are relative to their start.
    bytes: Chunk,
    body: Body,
    key: Key,
    /// None only between two requests.
    shared: Option<Rc<Shared>>,
    #[cfg(feature = "router")]
    extras: Extras,
}

impl Default for Inner {
    /// Memory for requests.
    fn default() -> Inner {
        Inner {
            head: Head::EMPTY,
            bytes: Chunk::default(),
            body: Body::default(),
            key: Key::from_parts(0, 0),
            shared: None,
            #[cfg(feature = "router")]
            extras: Extras::default(),
        }
    }
}

impl Request {
    /// Makes a request in memory of [`Shared::take_request`], which was taken before there was a head: so the head and its
    /// bytes go from where they were found to where they stay, by way of registers.
    #[inline(always)]
    pub(crate) fn new(mut memory: Box<Inner>, head: Head, bytes: Chunk, key: Key, shared: &Rc<Shared>) -> Request {
        debug_assert!(
            memory.bytes.is_empty() && memory.shared.is_none(),
            "it was given back empty"
        );
        memory.head = head;
        // There is nothing to be dropped, which an assignment would look for.
        std::mem::forget(std::mem::replace(&mut memory.bytes, bytes));
        memory.key = key;
        std::mem::forget(memory.shared.replace(Rc::clone(shared)));
        Request {
            inner: ManuallyDrop::new(memory),
        }
    }

    /// Has it hold its head's bytes as a copy, and not the buffer that they were received in.
    #[cold]
    pub(crate) fn copy_bytes(&mut self, supply: &Supply) {
        self.inner.bytes = supply.copied(&self.inner.bytes);
    }

    /// How long its body is.
    pub(crate) fn framing(&self) -> Framing {
        self.inner.head.framing()
    }

    pub(crate) fn set_body(&mut self, body: Body) {
        self.inner.body = body;
    }

    /// The method (RFC 9110 §9).
    pub fn method(&self) -> &Method {
        self.inner.head.method()
    }

    /// The request target as sent (RFC 9112 §3.2).
    pub fn target(&self) -> &str {
        self.inner.head.target(&self.inner.bytes)
    }

    /// The target's path, as sent (percent-encoding is left as it is); `*` for `OPTIONS *`.
    pub fn path(&self) -> &str {
        self.inner.head.path(&self.inner.bytes)
    }

    /// The target's query without its `?`, as sent; none where there is no `?`.
    pub fn query(&self) -> Option<&str> {
        self.inner.head.query(&self.inner.bytes)
    }

    /// HTTP/1.1 or HTTP/1.0.
    pub fn version(&self) -> Version {
        self.inner.head.version()
    }

    /// The value of the first field of this name, in any case; without the whitespace around it.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.inner.head.field(&self.inner.bytes, name)
    }

    /// All fields in the order in which they came, names as sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.inner.head.fields(&self.inner.bytes)
    }

    /// The body; reading it is what receives it.
    pub fn body(&self) -> Body {
        self.inner.body.clone()
    }

    /// Whether the client asks to change the protocol (RFC 9110 §7.8): only then may the response be
    /// [`Response::upgrade`](crate::Response::upgrade).
    pub fn wants_upgrade(&self) -> bool {
        self.inner.head.upgrade()
    }

    /// The address of the peer. It is asked of the system each time (getpeername(2)).
    ///
    /// # Errors
    ///
    /// `NotConnected` once the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.inner.shared {
            Some(shared) => shared.peer(self.inner.key),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

#[cfg(feature = "router")]
impl Request {
    pub(crate) fn extras(&self) -> &Extras {
        &self.inner.extras
    }

    pub(crate) fn extras_mut(&mut self) -> &mut Extras {
        &mut self.inner.extras
    }

    /// The path, and beside it what a router makes of it.
    pub(crate) fn path_and_extras(&mut self) -> (&str, &mut Extras) {
        let inner = &mut *self.inner;
        (inner.head.path(&inner.bytes), &mut inner.extras)
    }

    pub(crate) fn head_parts(&self) -> (&Head, &Chunk) {
        (&self.inner.head, &self.inner.bytes)
    }

    /// `bytes` are those that `head` was parsed from.
    pub(crate) fn set_head_parts(&mut self, head: Head, bytes: Chunk) {
        (self.inner.head, self.inner.bytes) = (head, bytes);
    }
}

impl Drop for Request {
    /// Lets go of what the request held, and gives its memory back.
    fn drop(&mut self) {
        // SAFETY: this is the only place that takes it, and nothing uses the request afterwards.
        let mut inner = unsafe { ManuallyDrop::take(&mut self.inner) };
        inner.bytes = Chunk::default();
        if !inner.body.is_none() {
            inner.body = Body::default();
        }
        #[cfg(feature = "router")]
        inner.extras.clear();
        if let Some(shared) = inner.shared.take() {
            shared.recycle_request(inner);
        }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Request({} {} {:?})", self.method(), self.target(), self.version())
    }
}
