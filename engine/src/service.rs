//! What a user writes: the service that answers requests, one per core.

use std::future::Future;

use crate::error::Error;
use crate::event::Event;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// Answers requests on one core.
///
/// An `async` closure over a [`Request`] is a service. So is a type of one's own, which may say more:
///
/// ```
/// use ringlane::{Request, Response, Service};
///
/// struct Uploads;
///
/// impl Service for Uploads {
///     async fn call(&self, request: Request) -> Response {
///         Response::text(request.path().to_owned())
///     }
///
///     fn body_bytes_max(&self, request: &Request) -> Option<u64> {
///         (request.path() == "/upload").then_some(1 << 30)
///     }
/// }
/// ```
///
/// A service lives on its core alone: its state needs no lock, and its futures need not be `Send`. A call may borrow from
/// the service across its awaits. Many calls are under way at once, on different connections; on one connection the next
/// begins when the response of the one before is complete.
pub trait Service: 'static {
    /// Answers one request.
    ///
    /// The future is polled once in place; where that makes the response, no task is made and nothing is allocated. It
    /// runs under the core's glommio executor and may use it: timers, files, `spawn_local`, channels. It is dropped
    /// where its connection is reset, or its body turns out broken, too long or too slow. A panic costs this request a
    /// 500 and its connection, and nothing else.
    fn call(&self, request: Request) -> impl Future<Output = Response>;

    /// The largest body that this request may have, in bytes; none for `body_bytes_max` of the configuration.
    ///
    /// It is asked before the body is received; a body that is longer is answered 413.
    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        let _ = request;
        None
    }

    /// Whether the service can be used. It is asked once, before its core accepts connections; an error keeps the server
    /// from starting. A service that passes requests on to another one asks that.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with a sentence that says what is wrong and how to mend it.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Is told what happens on the core besides requests and responses, on the core's own thread and between two steps of its
    /// work: it must not block. A panic of it is contained. A service that passes requests on to another one passes this on,
    /// too.
    fn handle_event(&self, event: &Event<'_>) {
        let _ = event;
    }
}

impl<F, R> Service for F
where
    F: AsyncFn(Request) -> R + 'static,
    R: IntoResponse,
{
    async fn call(&self, request: Request) -> Response {
        self(request).await.into_response()
    }
}
