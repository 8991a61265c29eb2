//! Layers: functions around a service, which see its requests before it and its responses behind it.
//!
//! ```no_run
//! use ringlane::layer::{Next, layered};
//! use ringlane::{Request, Response, Server};
//!
//! Server::bind("127.0.0.1:8080").serve(|_core| {
//!     let hello = async |_: Request| "Hello, World!";
//!     layered(hello).layer(async |request: Request, next: &Next| {
//!         if request.header("authorization").is_none() {
//!             return Response::new(ringlane::StatusCode::UNAUTHORIZED); // The service is not called.
//!         }
//!         next.run(request).await
//!     })
//! })?;
//! # Ok::<(), ringlane::Error>(())
//! ```

#[cfg(feature = "layers")]
mod access_log;
#[cfg(feature = "compression")]
mod compression;
#[cfg(feature = "layers")]
mod cors;
#[cfg(feature = "layers")]
mod errors;
mod head;
#[cfg(feature = "layers")]
mod json;
#[cfg(feature = "layers")]
mod limits;
#[cfg(feature = "layers")]
mod request_id;
#[cfg(feature = "layers")]
mod timeout;
#[cfg(feature = "layers")]
mod vary;

use std::future::Future;
use std::rc::Rc;

pub use crate::rewrite::RewriteError;
#[cfg(feature = "layers")]
pub use access_log::{AccessLog, LogFormat, LogWriter};
#[cfg(feature = "compression")]
pub use compression::Compression;
#[cfg(feature = "layers")]
pub use cors::Cors;
#[cfg(feature = "layers")]
pub use errors::MapErrors;
pub use head::RequestHead;
#[cfg(feature = "layers")]
pub use limits::{BodyLimit, ConcurrencyLimit};
#[cfg(feature = "layers")]
pub use request_id::{RequestId, SetRequestId};
#[cfg(feature = "layers")]
pub use timeout::Timeout;

use crate::erased::AnyService;
use crate::error::Error;
use crate::event::Event;
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::service::Service;

/// A function around a service.
///
/// An `async` closure over a [`Request`] and the [`Next`] service is a layer. It may answer early, change the request before
/// it passes it on, and change the response. Like a service it lives on its core alone.
pub trait Layer: 'static {
    /// Answers one request, by itself or by [`Next::run`].
    fn call(&self, request: Request, next: &Next) -> impl Future<Output = Response>;

    /// The largest body that this request may have, in bytes; without a word of the layer's own, what the service within
    /// says ([`Service::body_bytes_max`]).
    fn body_bytes_max(&self, request: &Request, next: &Next) -> Option<u64> {
        next.body_bytes_max(request)
    }

    /// Whether the layer can be used; as [`Service::check`], and asked of layer and service each.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with a sentence that says what is wrong and how to mend it.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Is told what happens on the core, as [`Service::handle_event`]: layer and service each.
    fn handle_event(&self, event: &Event<'_>) {
        let _ = event;
    }
}

impl<F, R> Layer for F
where
    F: AsyncFn(Request, &Next) -> R + 'static,
    R: IntoResponse,
{
    async fn call(&self, request: Request, next: &Next) -> Response {
        self(request, next).await.into_response()
    }
}

/// What a layer is around: the next layer, or the service itself.
pub struct Next(AnyService);

impl Next {
    /// Passes a request on, and waits for its response. A layer may do so more than once, or not at all.
    pub async fn run(&self, request: Request) -> Response {
        self.0.call(request).await
    }

    /// What the service within says of the size of this request's body, in bytes.
    pub fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        self.0.body_bytes_max(request)
    }
}

/// Begins putting layers around a service.
pub fn layered(service: impl Service) -> Layered {
    Layered {
        service: AnyService::new(service),
    }
}

/// A service with layers around it.
pub struct Layered {
    service: AnyService,
}

impl Layered {
    /// Puts one more layer around all that is there: what was put last sees a request first.
    #[must_use]
    pub fn layer(self, layer: impl Layer) -> Layered {
        Layered {
            service: Wrap::new(layer).around(self.service),
        }
    }
}

impl Service for Layered {
    async fn call(&self, request: Request) -> Response {
        self.service.call(request).await
    }

    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        self.service.body_bytes_max(request)
    }

    fn check(&self) -> Result<(), Error> {
        self.service.check()
    }

    fn handle_event(&self, event: &Event<'_>) {
        self.service.handle_event(event);
    }
}

/// A layer whose type is forgotten, to be put around any number of services.
#[derive(Clone)]
pub(crate) struct Wrap(Rc<dyn Wraps>);

trait Wraps {
    fn around(&self, service: AnyService) -> AnyService;

    fn check(&self) -> Result<(), Error>;

    fn handle_event(&self, event: &Event<'_>);
}

impl<L: Layer> Wraps for Rc<L> {
    fn around(&self, service: AnyService) -> AnyService {
        AnyService::new(Around {
            layer: Rc::clone(self),
            next: Next(service),
        })
    }

    fn check(&self) -> Result<(), Error> {
        L::check(self)
    }

    fn handle_event(&self, event: &Event<'_>) {
        L::handle_event(self, event);
    }
}

impl Wrap {
    pub(crate) fn new<L: Layer>(layer: L) -> Wrap {
        Wrap(Rc::new(Rc::new(layer)))
    }

    pub(crate) fn around(&self, service: AnyService) -> AnyService {
        self.0.around(service)
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        self.0.check()
    }

    /// Tells the layer alone.
    pub(crate) fn handle_event(&self, event: &Event<'_>) {
        self.0.handle_event(event);
    }
}

struct Around<L> {
    layer: Rc<L>,
    next: Next,
}

impl<L: Layer> Service for Around<L> {
    async fn call(&self, request: Request) -> Response {
        self.layer.call(request, &self.next).await
    }

    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        self.layer.body_bytes_max(request, &self.next)
    }

    fn check(&self) -> Result<(), Error> {
        self.layer.check()?;
        self.next.0.check()
    }

    fn handle_event(&self, event: &Event<'_>) {
        self.layer.handle_event(event);
        self.next.0.handle_event(event);
    }
}
