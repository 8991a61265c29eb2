//! What happens on a core besides requests and responses, told to its service.

use http::StatusCode;

/// Something that happened on a core, for logs and counters: see [`Service::handle_event`](crate::Service::handle_event).
///
/// Nothing is told of a request that is answered in the ordinary way, so that this costs nothing per request. More events may
/// be added in any release.
///
/// ```
/// use ringlane::{Event, Request, Service};
///
/// struct Hello;
///
/// impl Service for Hello {
///     async fn call(&self, _request: Request) -> ringlane::Response {
///         ringlane::Response::text("Hello, World!")
///     }
///
///     fn handle_event(&self, event: &Event<'_>) {
///         if let Event::Refused { status, reason } = event {
///             eprintln!("refused with {status}: {reason}");
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A connection was accepted.
    ConnectionOpened,
    /// A connection was closed, by either side; each one that was opened is.
    ConnectionClosed,
    /// A connection has left HTTP for another protocol: the response 101 is queued (RFC 9110 §7.8).
    Upgraded {
        /// The protocol, as the response names it.
        protocol: &'a str,
    },
    /// A handler panicked; its request is answered 500, and told of as refused as well. Streamed responses and upgraded
    /// connections are not told of: their panics end the connection.
    HandlerPanicked,
    /// The engine, and not the service, has answered a request, or has ended the connection within a response because of the
    /// rest of the request: the peer broke a rule or was too slow, a limit was reached, or the handler panicked.
    Refused {
        /// With what it was answered, or would have been.
        status: StatusCode,
        /// One sentence about what was wrong.
        reason: &'a str,
    },
    /// The peer was waited for long enough.
    TimedOut(TimeoutKind),
}

/// For what a peer was waited too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeoutKind {
    /// A request's head, or the first request of a connection: `head_timeout`.
    Head,
    /// A further request: `idle_timeout`. That is how idle connections end, and no error.
    Idle,
    /// A request's body, or it came too slowly: `body_timeout`.
    Body,
    /// The reading of a response: `write_timeout`.
    Write,
    /// The peer's end of a connection that is being closed: `close_timeout`.
    Close,
}
