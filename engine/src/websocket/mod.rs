//! WebSocket connections (RFC 6455).
//!
//! ```no_run
//! use ringlane::{Request, Server, websocket};
//!
//! Server::bind("127.0.0.1:8080").serve(|_core| {
//!     async |request: Request| {
//!         websocket::upgrade(&request, |mut socket| async move {
//!             while let Some(Ok(message)) = socket.next().await {
//!                 if socket.send(message).await.is_err() {
//!                     break;
//!                 }
//!             }
//!         })
//!     }
//! })?;
//! # Ok::<(), ringlane::Error>(())
//! ```
//!
//! Frames, masks, UTF-8 and the close handshake are tungstenite's, which most of the Rust ecosystem stands on: it never drops
//! half of a message when a future is dropped, as soketto's receiver may. It is used without async-tungstenite, whose halves
//! share a mutex and atomic wakers that connections of one core have no use for.
//!
//! An idle connection takes about 3.5 KiB in the process: its task, the state of the protocol and a receive buffer of 1 KiB. The
//! memory of larger frames is given back between two messages.

mod boundary;
mod error;
mod handshake;
mod link;
mod message;
mod socket;
mod vigil;
mod wire;

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

pub use error::Error;
pub use message::{Close, CloseCode, Message, Text};
pub use socket::{Receiver, Sender, Socket};

use crate::request::Request;
use crate::response::Response;
use handshake::Origins;
use link::Limits;
use vigil::Patience;

/// Answers a WebSocket handshake with the default [`Options`], and runs `run` with the connection.
///
/// A request that is no valid handshake is refused instead: 426 where it does not ask for a WebSocket of version 13, 400 for a
/// key that is none or for a body, 405 for any method but GET, 403 for a page of another origin (RFC 6455 §4.2).
pub fn upgrade<F, U>(request: &Request, run: F) -> Response
where
    F: FnOnce(Socket) -> U + 'static,
    U: Future<Output = ()> + 'static,
{
    Options::new().upgrade(request, run)
}

/// How WebSocket connections are made, and what they may cost. Made once on each core, and used for many connections.
///
/// ```no_run
/// use std::time::Duration;
/// use ringlane::{Request, Server, websocket};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     let options = websocket::Options::new()
///         .message_bytes_max(64 << 10)
///         .protocols(["chat.v2", "chat.v1"])
///         .origins(["https://example.org"])
///         .ping_interval(Duration::from_secs(20));
///     async move |request: Request| {
///         options.upgrade(&request, |mut socket| async move {
///             let greeting = format!("you speak {}", socket.protocol().unwrap_or("nothing in particular"));
///             let _ = socket.send(greeting).await;
///         })
///     }
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Options {
    limits: Limits,
    protocols: Vec<String>,
    origins: Origins,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            limits: Limits {
                message_bytes_max: 1 << 20,
                frame_bytes_max: 1 << 20,
                patience: Patience {
                    ping_interval: Some(Duration::from_secs(30)),
                    pong_timeout: Duration::from_secs(30),
                    close_timeout: Duration::from_secs(5),
                },
            },
            protocols: Vec::new(),
            origins: Origins::Same,
        }
    }
}

impl Options {
    /// The defaults.
    pub fn new() -> Options {
        Options::default()
    }

    /// The largest message that is taken from a peer, in bytes, of however many frames. Who sends more is sent Close 1009.
    /// Default: 1 MiB.
    #[must_use]
    pub fn message_bytes_max(mut self, bytes: usize) -> Options {
        self.limits.message_bytes_max = bytes;
        self
    }

    /// The largest frame that is taken from a peer, in bytes. One that announces more is answered with Close 1009 at once, and
    /// takes no memory. Default: 1 MiB, as most clients send a message in one frame.
    #[must_use]
    pub fn frame_bytes_max(mut self, bytes: usize) -> Options {
        self.limits.frame_bytes_max = bytes;
        self
    }

    /// The subprotocols that are spoken here (RFC 6455 §1.9). Of those, the one that the client named first is agreed upon; where
    /// it named none of them, none is, and it is for the client to go on or not. Default: none.
    #[must_use]
    pub fn protocols<P: Into<String>>(mut self, names: impl IntoIterator<Item = P>) -> Options {
        self.protocols = names.into_iter().map(Into::into).collect();
        self
    }

    /// The origins whose pages may connect, such as `https://example.org`: browsers send the user's cookies along whatever the page
    /// (RFC 6455 §10.2). All others get 403. A request that names no origin is no browser's, and granted. Default: the origin whose
    /// host and port are those of the request's `Host`.
    #[must_use]
    pub fn origins<O: Into<String>>(mut self, origins: impl IntoIterator<Item = O>) -> Options {
        self.origins = Origins::Listed(origins.into_iter().map(Into::into).collect());
        self
    }

    /// Pages of any origin may connect. Not for connections that trust in cookies.
    #[must_use]
    pub fn any_origin(mut self) -> Options {
        self.origins = Origins::Any;
        self
    }

    /// How long a peer may be silent before it is pinged; none leaves silent peers alone, also dead ones. Default: 30 s.
    #[must_use]
    pub fn ping_interval(mut self, interval: impl Into<Option<Duration>>) -> Options {
        self.limits.patience.ping_interval = interval.into().map(at_least_a_millisecond);
        self
    }

    /// How long a peer that was pinged may stay silent before its connection ends with [`Error::TimedOut`]. Anything that it sends
    /// will do. Default: 30 s.
    #[must_use]
    pub fn pong_timeout(mut self, timeout: Duration) -> Options {
        self.limits.patience.pong_timeout = at_least_a_millisecond(timeout);
        self
    }

    /// How long a peer may take to answer Close, and to take what was sent before it. Default: 5 s.
    #[must_use]
    pub fn close_timeout(mut self, timeout: Duration) -> Options {
        self.limits.patience.close_timeout = at_least_a_millisecond(timeout);
        self
    }

    /// As [`upgrade`], with these options.
    pub fn upgrade<F, U>(&self, request: &Request, run: F) -> Response
    where
        F: FnOnce(Socket) -> U + 'static,
        U: Future<Output = ()> + 'static,
    {
        let accepted = match handshake::judge(request, self) {
            Ok(accepted) => accepted,
            Err(refusal) => return refusal,
        };
        let limits = self.limits;
        let protocol = accepted.protocol.map(Rc::from);
        let response = Response::upgrade("websocket", move |stream| run(Socket::new(stream, &limits, protocol)));
        let response = handshake::with(response, "Sec-WebSocket-Accept", &accepted.accept);
        match accepted.protocol {
            Some(name) => handshake::with(response, "Sec-WebSocket-Protocol", name),
            None => response,
        }
    }
}

/// A timeout of nothing would never let the peer speak.
fn at_least_a_millisecond(duration: Duration) -> Duration {
    duration.max(Duration::from_millis(1))
}
