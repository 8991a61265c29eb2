//! A request's head, kept for when the request itself has been passed on.

use std::fmt;

use http::{Method, Version};
use ringlane_protocol::head::Head;

use crate::chunk::Chunk;
use crate::request::Request;

/// What a layer keeps of a request that it passes on: its method, target and fields.
///
/// It shares the memory of the request: nothing is copied and nothing allocated. As long as it is held, so is the pooled
/// buffer that the head lies in.
///
/// ```no_run
/// use ringlane::layer::{Next, layered};
/// use ringlane::{Request, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     layered(async |_: Request| "Hello, World!").layer(async |request: Request, next: &Next| {
///         let head = request.head();
///         let response = next.run(request).await;
///         eprintln!("{} {}: {}", head.method(), head.path(), response.status());
///         response
///     })
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Clone)]
pub struct RequestHead {
    head: Head,
    bytes: Chunk,
}

impl RequestHead {
    /// `bytes` are those that `head` was parsed from.
    pub(super) fn new(head: Head, bytes: Chunk) -> RequestHead {
        RequestHead { head, bytes }
    }

    /// The method (RFC 9110 §9).
    pub fn method(&self) -> &Method {
        self.head.method()
    }

    /// The request target as sent (RFC 9112 §3.2).
    pub fn target(&self) -> &str {
        self.head.target(&self.bytes)
    }

    /// The target's path, as sent; `*` for `OPTIONS *`.
    pub fn path(&self) -> &str {
        self.head.path(&self.bytes)
    }

    /// The target's query without its `?`, as sent; none where there is no `?`.
    pub fn query(&self) -> Option<&str> {
        self.head.query(&self.bytes)
    }

    /// HTTP/1.1 or HTTP/1.0.
    pub fn version(&self) -> Version {
        self.head.version()
    }

    /// The value of the first field of this name, in any case; without the whitespace around it.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.head.field(&self.bytes, name)
    }

    /// All fields in the order in which they came, names as sent.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.head.fields(&self.bytes)
    }
}

impl fmt::Debug for RequestHead {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "RequestHead({} {})", self.method(), self.target())
    }
}

impl Request {
    /// The request's head, to be kept when the request is passed on.
    pub fn head(&self) -> RequestHead {
        let (head, bytes) = self.head_parts();
        RequestHead::new(head.clone(), bytes.clone())
    }
}
