//! Bounds on the size of bodies, and on how many requests are under way at once.

use std::cell::Cell;
use std::time::Duration;

use http::StatusCode;

use super::{Layer, Next};
use crate::error::Error;
use crate::request::Request;
use crate::response::{IntoResponse, Response};

/// Bounds the bodies of requests. A longer one is answered 413 before it is received (RFC 9110 §15.5.14).
///
/// What a service or a layer within says of its own requests ([`Service::body_bytes_max`](crate::Service::body_bytes_max))
/// is preferred, be it more or less: so one route may take uploads that the others may not.
///
/// ```no_run
/// use ringlane::layer::BodyLimit;
/// use ringlane::router::{Router, post};
/// use ringlane::{Request, Server, StatusCode};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     let take = async |_: Request| StatusCode::NO_CONTENT;
///     Router::new()
///         .post("/notes", take)
///         .route("/films", post(take).layer(BodyLimit::new(1 << 30)))
///         .layer(BodyLimit::new(64 << 10))
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit {
    bytes_max: u64,
}

impl BodyLimit {
    /// A limit in bytes; with 0 no request may have a body.
    pub fn new(bytes_max: u64) -> BodyLimit {
        BodyLimit { bytes_max }
    }
}

impl Layer for BodyLimit {
    async fn call(&self, request: Request, next: &Next) -> Response {
        next.run(request).await
    }

    fn body_bytes_max(&self, request: &Request, next: &Next) -> Option<u64> {
        next.body_bytes_max(request).or(Some(self.bytes_max))
    }
}

/// Answers 503 with `Retry-After` (RFC 9110 §15.6.4, §10.2.3) while too many requests are under way on this core.
///
/// A request counts until its response is made, or its future dropped. A streamed body that is still being sent and an
/// upgraded connection do not count: their memory has bounds of its own.
///
/// ```no_run
/// use ringlane::layer::{ConcurrencyLimit, layered};
/// use ringlane::{Request, Server};
///
/// Server::bind("127.0.0.1:8080").serve(|_core| {
///     layered(async |_: Request| "Hello, World!").layer(ConcurrencyLimit::new(1000))
/// })?;
/// # Ok::<(), ringlane::Error>(())
/// ```
#[derive(Debug)]
pub struct ConcurrencyLimit {
    requests_max: usize,
    retry_after: Duration,
    under_way: Cell<usize>,
}

impl ConcurrencyLimit {
    /// Lets this many requests be under way at once, on each core by itself.
    pub fn new(requests_max: usize) -> ConcurrencyLimit {
        ConcurrencyLimit {
            requests_max,
            retry_after: Duration::from_secs(1),
            under_way: Cell::new(0),
        }
    }

    /// When those who are turned away may come again, in whole seconds, rounded up. Default: 1 s.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> ConcurrencyLimit {
        self.retry_after = wait;
        self
    }

    fn refusal(&self) -> Response {
        let seconds = self.retry_after.as_millis().div_ceil(1000);
        Response::text("too many requests are under way\n")
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .header("Retry-After", seconds.to_string())
            .into_response()
    }
}

impl Layer for ConcurrencyLimit {
    async fn call(&self, request: Request, next: &Next) -> Response {
        if self.under_way.get() >= self.requests_max {
            return self.refusal();
        }
        let _counted = Counted::new(&self.under_way);
        next.run(request).await
    }

    fn check(&self) -> Result<(), Error> {
        if self.requests_max == 0 {
            return Err(Error::Service {
                problem: "a ConcurrencyLimit of 0 refuses every request: let it be 1 or more".to_owned(),
            });
        }
        Ok(())
    }
}

/// Counted from its making to its drop.
struct Counted<'a>(&'a Cell<usize>);

impl Counted<'_> {
    fn new(count: &Cell<usize>) -> Counted<'_> {
        count.set(count.get() + 1);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
