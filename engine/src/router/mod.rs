//! Routes: which service answers a request, by its path and method.
//!
//! ```no_run
//! use ringlane::router::{Router, get};
//! use ringlane::{IntoResponse, Request, Response, Server, StatusCode};
//!
//! async fn show(request: Request) -> Response {
//!     match request.param::<u64>("id") {
//!         Ok(id) => Response::text(format!("user {id}\n")),
//!         Err(error) => error.into_response(),
//!     }
//! }
//!
//! Server::bind("127.0.0.1:8080").serve(|_core| {
//!     Router::new()
//!         .get("/", async |_: Request| "Hello, World!")
//!         .route("/users/{id}", get(show).delete(async |_: Request| StatusCode::NO_CONTENT))
//!         .get("/files/{*path}", async |request: Request| request.param::<String>("path"))
//! })?;
//! # Ok::<(), ringlane::Error>(())
//! ```
//!
//! A path is taken apart at its slashes as it was sent: `{name}` is one segment, `{*name}` at the end is all the rest, one
//! byte at least, and text is preferred to `{name}`, and that to `{*name}`. Percent-encoding is decoded once, so that
//! `/caf%C3%A9` is `/café`; but an encoded slash (`%2F`) divides nothing and is part of a parameter. A path that decodes to
//! NUL, or to what is no UTF-8, is answered 400.
//!
//! What no route takes is answered by the fallback, which is 404 unless [`Router::fallback`] says otherwise; another method
//! than those of the path 405 with `Allow` (RFC 9110 §15.5.6). HEAD is answered by GET's service, and OPTIONS by 204 with
//! `Allow`, where the path has no service of its own for them.

mod methods;
mod params;
mod path;
mod table;

use std::cell::OnceCell;

pub use methods::{Methods, any, delete, get, head, options, patch, post, put};
pub use params::ParamError;

pub(crate) use params::Matched;

use crate::erased::AnyService;
use crate::error::Error;
use crate::event::Event;
use crate::layer::{Layer, Wrap};
use crate::request::Request;
use crate::response::{IntoResponse, Response};
use crate::service::Service;
use http::StatusCode;
use table::{Route, Table};

/// Services by path and method; itself a service.
///
/// Routes that cannot be told from each other keep the server from starting, with a sentence that names both.
#[derive(Default)]
pub struct Router {
    routes: Vec<Route>,
    /// What answers what no route takes, by the prefix under which it does: none for all.
    fallbacks: Vec<(String, AnyService)>,
    /// To be put around everything, the innermost first.
    layers: Vec<Wrap>,
    /// What is told of events besides its layers: its own, and those and the layers of the routers nested in it.
    observers: Vec<Observer>,
    /// Made of all these when the server starts.
    table: OnceCell<Result<Table, String>>,
}

/// What is told of events.
type Observer = Box<dyn Fn(&Event<'_>)>;

impl Router {
    /// A router without routes.
    pub fn new() -> Router {
        Router::default()
    }

    /// Has a path answered by services for one method or more. More methods may be added to a path later.
    #[must_use]
    pub fn route(mut self, path: &str, methods: Methods) -> Router {
        self.routes.push(Route::new(path.to_owned(), methods));
        self
    }

    /// Has GET and HEAD of a path answered by a service.
    #[must_use]
    pub fn get(self, path: &str, service: impl Service) -> Router {
        self.route(path, get(service))
    }

    /// Has POST of a path answered by a service.
    #[must_use]
    pub fn post(self, path: &str, service: impl Service) -> Router {
        self.route(path, post(service))
    }

    /// Has PUT of a path answered by a service.
    #[must_use]
    pub fn put(self, path: &str, service: impl Service) -> Router {
        self.route(path, put(service))
    }

    /// Has PATCH of a path answered by a service.
    #[must_use]
    pub fn patch(self, path: &str, service: impl Service) -> Router {
        self.route(path, patch(service))
    }

    /// Has DELETE of a path answered by a service.
    #[must_use]
    pub fn delete(self, path: &str, service: impl Service) -> Router {
        self.route(path, delete(service))
    }

    /// Has every method of a path answered by a service.
    #[must_use]
    pub fn any(self, path: &str, service: impl Service) -> Router {
        self.route(path, any(service))
    }

    /// Adds the routes of another router under a prefix, with its layers, and its fallback if it has one. Its route `/` is
    /// the prefix itself.
    #[must_use]
    pub fn nest(mut self, prefix: &str, router: Router) -> Router {
        let prefix = prefix.trim_end_matches('/');
        let layers = router.layers;
        self.routes
            .extend(router.routes.into_iter().map(|route| route.within(prefix, &layers)));
        let around = |service| layers.iter().fold(service, |service, layer| layer.around(service));
        let fallbacks = router.fallbacks.into_iter();
        self.fallbacks
            .extend(fallbacks.map(|(within, service)| (format!("{prefix}{within}"), around(service))));
        self.observers.extend(router.observers);
        let tell = move |event: &Event<'_>| layers.iter().for_each(|layer| layer.handle_event(event));
        self.observers.push(Box::new(tell));
        self
    }

    /// Has a service answer what no route takes.
    #[must_use]
    pub fn fallback(mut self, service: impl Service) -> Router {
        self.fallbacks.retain(|(prefix, _)| !prefix.is_empty());
        self.fallbacks.push((String::new(), AnyService::new(service)));
        self
    }

    /// Puts a layer around all of the router: its routes, whether added before or afterwards, its fallback, and its answers
    /// to what no route takes. What was put last sees a request first.
    #[must_use]
    pub fn layer(mut self, layer: impl Layer) -> Router {
        self.layers.push(Wrap::new(layer));
        self
    }

    /// Has a function told what happens on the core: see [`Service::handle_event`]. The services of routes are told nothing,
    /// since events belong to no route; layers around the router are.
    ///
    /// ```no_run
    /// use ringlane::router::Router;
    /// use ringlane::{Event, Request, Server};
    ///
    /// Server::bind("127.0.0.1:8080").serve(|core| {
    ///     Router::new()
    ///         .get("/", async |_: Request| "Hello, World!")
    ///         .on_event(move |event| {
    ///             if let Event::HandlerPanicked = event {
    ///                 eprintln!("a handler panicked on core {}", core.number());
    ///             }
    ///         })
    /// })?;
    /// # Ok::<(), ringlane::Error>(())
    /// ```
    #[must_use]
    pub fn on_event(mut self, observer: impl Fn(&Event<'_>) + 'static) -> Router {
        self.observers.push(Box::new(observer));
        self
    }

    fn table(&self) -> Result<&Table, &str> {
        let made = self
            .table
            .get_or_init(|| Table::new(&self.routes, &self.fallbacks, &self.layers));
        made.as_ref().map_err(String::as_str)
    }
}

impl Service for Router {
    async fn call(&self, mut request: Request) -> Response {
        let Ok(table) = self.table() else {
            return StatusCode::INTERNAL_SERVER_ERROR.into_response(); // `check` has said why.
        };
        table.find(&mut request).call(request).await
    }

    fn body_bytes_max(&self, request: &Request) -> Option<u64> {
        self.table().ok()?.look_up(request).body_bytes_max(request)
    }

    fn check(&self) -> Result<(), Error> {
        self.table().map_err(|problem| Error::Service {
            problem: problem.to_owned(),
        })?;
        self.routes.iter().try_for_each(Route::check)?;
        self.fallbacks.iter().try_for_each(|(_, service)| service.check())?;
        self.layers.iter().try_for_each(Wrap::check)
    }

    fn handle_event(&self, event: &Event<'_>) {
        self.observers.iter().for_each(|observer| observer(event));
        self.layers.iter().for_each(|layer| layer.handle_event(event));
    }
}

#[cfg(test)]
mod tests;
